#include "commands.h"

#include "console.h"

bool setup_load(struct setup *s, const struct options *options, struct error *err)
{
    const char *key_file = option_text(options, OPTION_KEY_FILE);
    *s = (struct setup){.keys = key_file ? keyring_load(key_file, err) : keyring_ephemeral(err)};
    if (s->keys != NULL) s->plan = plan_new(option_text(options, OPTION_POLICY), s->keys, err);
    if (s->plan == NULL) setup_release(s);
    return s->plan != NULL;
}

void setup_release(struct setup *s)
{
    if (s->plan != NULL) plan_free(s->plan);
    if (s->keys != NULL) keyring_free(s->keys);
    *s = (struct setup){0};
}

int command_failed(const struct error *err)
{
    struct console console;
    console_init(&console, false, false);
    console_message(&console, "%s", err->text);
    return err->code == ERROR_USAGE ? EXIT_USAGE : EXIT_INCOMPLETE;
}
