/* What the command table knows, for man(1) and for the completion of shells. */
#include "commands.h"

#include <stdio.h>

/* --- Manual page, in the language of man(7) --------------------------------------------------------------------------- */

/* Lines as they are; a line that begins like a request begins with nothing before it. */
static void put_text(const char *text)
{
    bool line_begins = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (line_begins && (*c == '.' || *c == '\'')) fputs("\\&", stdout);
        line_begins = *c == '\n';
        if (*c == '-') fputs("\\-", stdout);
        else if (*c == '\\') fputs("\\e", stdout);
        else putchar(*c);
    }
}

static void put_option(const struct option_view *o)
{
    fputs(".TP\n", stdout);
    if (o->short_name) printf("\\fB\\-%c\\fR, ", o->short_name);
    fputs("\\fB", stdout);
    put_text("--");
    put_text(o->name);
    printf("\\fR \\fI%s\\fR\n", o->argument);
    put_text(o->help);
    if (o->standard != NULL) printf("\n(default: %s)", o->standard);
    putchar('\n');
}

static void put_command(const struct command *c)
{
    struct option_view options[OPTION_COUNT];
    size_t             count = options_of(c->takes, options);
    printf(".SH LETHE %s\n.B lethe %s\n[OPTION...] %s\n.PP\n", c->name, c->name, c->arguments);
    put_text(c->summary);
    putchar('\n');
    for (size_t i = 0; i < count; i++) put_option(&options[i]);
    fputs(".PP\n.nf\n", stdout);
    put_text(c->more);
    fputs(".fi\n", stdout);
}

static bool takes_nothing(const char *name, const struct options *options)
{
    struct error err = {0};
    if (options->path_count == 0) return true;
    error_set(&err, ERROR_USAGE, "%s takes nothing but options", name);
    command_failed(&err);
    return false;
}

int command_manual(const struct options *options)
{
    if (!takes_nothing("manual", options)) return EXIT_USAGE;
    printf(".TH LETHE 1 \"\" \"lethe %s\"\n.SH NAME\nlethe \\- redacts Azure ML logs\n.SH SYNOPSIS\n.B lethe\nCOMMAND [OPTION...] [PATH...]\n"
           ".SH DESCRIPTION\nSecrets, environment values and identities go, the rest stays as it is.\n", LETHE_VERSION);
    for (const struct command *c = commands; c->name != NULL; c++) put_command(c);
    return EXIT_DONE;
}

/* --- Completion ------------------------------------------------------------------------------------------------------- */

static void put_commands(void)
{
    for (const struct command *c = commands; c->name != NULL; c++) printf("%s ", c->name);
}

int command_completion(const struct options *options)
{
    if (!takes_nothing("completion", options)) return EXIT_USAGE;
    fputs("_lethe()\n{\n    local current=${COMP_WORDS[COMP_CWORD]} words=\n    case $COMP_CWORD:${COMP_WORDS[1]} in\n        1:* | 2:help) words=\"", stdout);
    put_commands();
    fputs("help\" ;;\n", stdout);
    for (const struct command *c = commands; c->name != NULL; c++) {
        struct option_view views[OPTION_COUNT];
        size_t             count = options_of(c->takes, views);
        printf("        *:%s) words=\"", c->name);
        for (size_t i = 0; i < count; i++) printf("%s--%s", i > 0 ? " " : "", views[i].name);
        fputs("\" ;;\n", stdout);
    }
    fputs("    esac\n    if [ \"$COMP_CWORD\" -gt 1 ] && [ \"${COMP_WORDS[1]}\" != help ] && [[ $current != -* ]]; then words=; fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\n"
          "complete -o bashdefault -o default -F _lethe lethe\n", stdout);
    return EXIT_DONE;
}
