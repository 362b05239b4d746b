#include "options.h"

#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

struct option_entry {
    char        short_name;
    const char *name, *argument, *standard;
    unsigned    commands;
    const char *help;
};

static const struct option_entry entries[OPTION_COUNT] = {
#define OPTION(id, short_name, name, argument, standard, commands, help) \
    [OPTION_##id] = {short_name, name, argument, standard, commands, help},
#include "options.def"
};

static bool unknown_option(const char *given, size_t len, unsigned command, struct error *err)
{
    const char *names[OPTION_COUNT + 1];
    size_t      count = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (entries[i].commands & command) names[count++] = entries[i].name;
    names[count] = NULL;
    const char *nearest = nearest_name(slice_of(given, len), names);
    if (nearest != NULL)
        return error_set(err, ERROR_USAGE, "unknown option '--%.*s'; did you mean '--%s'?", (int)len, given, nearest);
    return error_set(err, ERROR_USAGE, "unknown option '--%.*s'; try --help", (int)len, given);
}

static enum option find_long(struct slice name, unsigned command)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((entries[i].commands & command) && slice_equal(name, slice_from(entries[i].name))) return (enum option)i;
    return OPTION_COUNT;
}

static enum option find_short(char letter, unsigned command)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((entries[i].commands & command) && entries[i].short_name == letter) return (enum option)i;
    return OPTION_COUNT;
}

/* Takes the option in argv[*i] and, if it has one, its value, which may be the next argument. */
static bool take_option(struct options *o, unsigned command, int argc, char **argv, int *i, struct error *err)
{
    const char *arg = argv[*i], *value = NULL;
    bool        is_long = arg[1] == '-';
    const char *name = arg + (is_long ? 2 : 1);
    size_t      len = is_long ? strcspn(name, "=") : 1;
    enum option id = is_long ? find_long(slice_of(name, len), command) : find_short(*name, command);
    if (id == OPTION_COUNT && is_long) return unknown_option(name, len, command, err);
    if (id == OPTION_COUNT) return error_set(err, ERROR_USAGE, "unknown option '-%c'; try --help", *name);

    if (is_long && name[len] == '=') value = name + len + 1;
    if (!is_long && name[1] != '\0') value = name + 1;
    if (entries[id].argument[0] == '\0') {
        if (value != NULL) return error_set(err, ERROR_USAGE, "option '%.*s' takes no value", (int)len + 1 + is_long, arg);
        value = "";
    } else if (value == NULL) {
        if (*i + 1 >= argc) return error_set(err, ERROR_USAGE, "option '%s' needs a value: %s", arg, entries[id].argument);
        value = argv[++*i];
    }
    if (entries[id].argument[0] != '\0' && *value == '\0')
        return error_set(err, ERROR_USAGE, "option '--%s' needs a value: %s", entries[id].name, entries[id].argument);
    o->values[id] = value;
    return true;
}

bool options_parse(struct options *o, unsigned command, int argc, char **argv, struct error *err)
{
    *o = (struct options){.paths = calloc((size_t)argc + 1, sizeof *o->paths)};
    if (o->paths == NULL) return error_set(err, ERROR_MEMORY, "out of memory");
    bool only_paths = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (only_paths || arg[0] != '-' || arg[1] == '\0')
            o->paths[o->path_count++] = arg;
        else if (strcmp(arg, "--") == 0)
            only_paths = true;
        else if (!take_option(o, command, argc, argv, &i, err))
            return false;
    }
    return true;
}

void options_release(struct options *o)
{
    free(o->paths);
    *o = (struct options){0};
}

bool option_given(const struct options *o, enum option id) { return o->values[id] != NULL; }

const char *option_text(const struct options *o, enum option id)
{
    return o->values[id] != NULL ? o->values[id] : entries[id].standard;
}

/* Digits and, if `suffixes` allows, one of K, M, G. False: neither, or it does not fit. */
static bool number_read(const char *text, bool suffixes, size_t *number)
{
    size_t value = 0;
    if (!ascii_is_digit(*text)) return false;
    for (; ascii_is_digit(*text); text++) {
        if (value > (SIZE_MAX - 9) / 10) return false;
        value = 10 * value + (size_t)(*text - '0');
    }
    if (suffixes && *text != '\0') {
        static const char letters[] = "kmg";
        const char       *at = strchr(letters, ascii_lower(*text));
        if (at == NULL) return false;
        unsigned shift = 10 * (unsigned)(at - letters + 1);
        if (value > SIZE_MAX >> shift) return false;
        value <<= shift;
        text++;
    }
    *number = value;
    return *text == '\0';
}

static bool number_option(const struct options *o, enum option id, bool suffixes, size_t least, size_t most, size_t *number,
                          struct error *err)
{
    const char *text = option_text(o, id);
    if (number_read(text, suffixes, number) && *number >= least && *number <= most) return true;
    return error_set(err, ERROR_USAGE, "option '--%s' needs a number from %zu to %zu%s, not '%s'", entries[id].name, least, most,
                     suffixes ? " (K, M and G may follow)" : "", text);
}

bool option_number(const struct options *o, enum option id, size_t least, size_t most, size_t *number, struct error *err)
{
    return number_option(o, id, false, least, most, number, err);
}

bool option_bytes(const struct options *o, enum option id, size_t least, size_t most, size_t *number, struct error *err)
{
    return number_option(o, id, true, least, most, number, err);
}

size_t options_of(unsigned command, struct option_view views[OPTION_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *e = &entries[i];
        if (e->commands & command)
            views[count++] = (struct option_view){e->short_name, e->name, e->argument, e->standard, e->help};
    }
    return count;
}

#define HELP_COLUMN 26

static void option_print(FILE *out, const struct option_view *e)
{
    int width = e->short_name ? fprintf(out, "  -%c, ", e->short_name) : fprintf(out, "      ");
    width += fprintf(out, "--%s%s%s", e->name, *e->argument ? " " : "", e->argument);
    if (width + 2 > HELP_COLUMN) {
        fputc('\n', out);
        width = 0;
    }
    fprintf(out, "%*s", HELP_COLUMN - width, "");
    for (const char *c = e->help; *c != '\0'; c++) {
        fputc(*c, out);
        if (*c == '\n') fprintf(out, "%*s", HELP_COLUMN, "");
    }
    if (e->standard != NULL) fprintf(out, " (default: %s)", e->standard);
    fputc('\n', out);
}

void options_print(FILE *out, unsigned command)
{
    struct option_view views[OPTION_COUNT];
    size_t             count = options_of(command, views);
    for (size_t i = 0; i < count; i++) option_print(out, &views[i]);
}
