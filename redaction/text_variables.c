/* Lists of environment variables in free text: what a job's console prints of its surroundings, `export` and `-e` of commands. */
#include "redaction/text_priv.h"

static bool is_variable_byte(char c) { return c == '_' || (c >= 'A' && c <= 'Z') || ascii_is_digit(c); }

/* NAME=value, export NAME=value, 'NAME': 'value' at `at`: the name, and where its value begins. */
static bool variable_at(struct slice text, uint32_t at, struct slice *name, uint32_t *value)
{
    uint32_t from = at;
    bool quoted = from < text.len && ascii_is_quote(text.data[from]);
    if (quoted) from++;
    uint32_t to = from;
    while (to < text.len && to - from < MAX_VARIABLE_BYTES && is_variable_byte(text.data[to])) to++;
    if (to - from < 2 || ascii_is_digit(text.data[from])) return false;
    *name = slice_sub(text, from, to);
    if (quoted && (to >= text.len || text.data[to++] != text.data[at])) return false;
    if (!quoted && to < text.len && text.data[to] == '=') {
        *value = to + 1;
        return true;
    }
    while (to < text.len && is_blank(text.data[to])) to++;
    if (to >= text.len || text.data[to] != ':') return false;
    *value = to + 1;
    return quoted || (to + 1 < text.len && text.data[to + 1] == ' ');
}

static uint32_t skip_between_variables(struct slice text, uint32_t at)
{
    for (; at < text.len; at++) {
        char c = text.data[at];
        if (is_blank(c) || c == '\n' || c == '\r' || c == ',' || c == ';' || c == '{' || c == '[' || c == '(' || c == ':' || c == '\\') continue;
        if (text.len - at > 7 && memcmp(text.data + at, "export ", 7) == 0) at += 6;
        else if (text.len - at > 3 && memcmp(text.data + at, "-e ", 3) == 0) at += 2;
        else break;
    }
    return at;
}

/* A variable's value: removed, or remembered as one that stays and is still scanned. */
static void read_variable(struct redactor *r, struct reading *t, struct slice name, uint32_t from, uint32_t to)
{
    uint32_t traits = plan_traits(r->plan, name);
    bool placeholder = (traits & TRAIT_STRONG) && !text_is_secret(t->text, name, NAME_STRONG, from, to);
    if (placeholder) traits &= ~(uint32_t)TRAIT_STRONG;   /* goes as what any variable holds */
    if (!(traits & TRAIT_HARMLESS) && text_remove(r, t, from, to, variable_finding(r, traits))) return;
    if (t->kept_count == MAX_KEPT) {
        text_remove(r, t, from, to, engine_finding(r, ENGINE_ENVIRONMENT));
        return;
    }
    t->kept[t->kept_count].from = from;
    t->kept[t->kept_count++].to = to;
}

bool text_lies_in_kept(const struct reading *t, uint32_t end)
{
    for (uint32_t i = 0; i < t->kept_count; i++)
        if (end > t->kept[i].from && end <= t->kept[i].to) return true;
    return false;
}

void text_read_variables(struct redactor *r, struct reading *t, uint32_t at)
{
    struct slice name;
    uint32_t value, from, to;
    if (at < t->variables_done) return;
    for (;;) {
        at = skip_between_variables(t->text, at);
        if (!variable_at(t->text, at, &name, &value)) break;
        at = value;
        if (!text_find_value(t->text, value, text_extent(r, name), &from, &to)) continue;
        at = to < t->text.len && ascii_is_quote(t->text.data[to]) ? to + 1 : to;
        read_variable(r, t, name, from, to);
    }
    if (at > t->variables_done) t->variables_done = at;
}

/* `export X=1`, `-e X=1`, `AZUREML_X=1`, or a line `X=1` that another such line follows or precedes. */
void text_read_export(struct redactor *r, struct reading *t, uint32_t end)
{
    uint32_t at = end - 2;
    while (at > 0 && end - at < MAX_VARIABLE_BYTES && is_variable_byte(t->text.data[at - 1])) at--;
    bool line = at > 0 && t->text.data[at - 1] == '\n';
    struct slice name;
    uint32_t value;
    if (!variable_at(t->text, at, &name, &value) || t->text.data[value - 1] != '=') return;
    if (line && !slice_equal(slice_sub(name, 0, name.len < 8 ? name.len : 8), SLICE("AZUREML_"))) {
        const char *next = memchr(t->text.data + value, '\n', t->text.len - value);
        uint32_t ignored;
        struct slice other;
        if (next == NULL || !variable_at(t->text, (uint32_t)(next - t->text.data) + 1, &other, &ignored)) return;
    }
    text_read_variables(r, t, at);
}
