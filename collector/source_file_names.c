/* The names that rotation makes: app.log.1, app.log-20260131.gz and app-20260131.log of app.log. */
#include "source_file_priv.h"

static bool is_between(char c) { return c == '.' || c == '-' || c == '_'; }

/* Without the ending of a packed file. */
static size_t plain_len(const char *path)
{
    size_t len = strlen(path);
    return len > 3 && strcmp(path + len - 3, ".gz") == 0 ? len - 3 : len;
}

bool name_is_packed(const char *path) { return plain_len(path) < strlen(path); }

/* Without an ending that begins at `at`: app.log of app.log.1. False: none does. */
static bool without_ending(const char *path, size_t at, char live[SAVED_PATH])
{
    if (!is_between(path[at]) || at >= SAVED_PATH) return false;
    snprintf(live, SAVED_PATH, "%.*s", (int)at, path);
    return true;
}

/* Without what of digits begins at `at` and goes to the last ending: app.log of app-20260131.log and of app-20260131.log.gz. */
static bool without_date(const char *path, size_t at, char live[SAVED_PATH])
{
    size_t len = plain_len(path), dot = len;
    while (dot > at && path[dot - 1] != '.') dot--;
    if (!is_between(path[at]) || dot < at + 2 || dot >= len || len >= SAVED_PATH) return false;
    for (size_t i = at; i < dot; i++)
        if (!ascii_is_digit(path[i]) && !is_between(path[i])) return false;
    snprintf(live, SAVED_PATH, "%.*s%.*s", (int)at, path, (int)(len - dot + 1), path + dot - 1);
    return true;
}

bool name_before_rotation(const char *path, size_t *step, char live[SAVED_PATH])
{
    size_t len = strlen(path), first = files_folder_len(path) + 1;
    while (first + *step / 2 < len) {
        size_t at = len - 1 - *step / 2;
        bool   date = (*step)++ % 2 != 0;
        if (date ? without_date(path, at, live) : without_ending(path, at, live)) return true;
    }
    return false;
}

bool name_is_rotated(const char *live, const char *name)
{
    char   before[SAVED_PATH];
    size_t step = 0;
    while (name_before_rotation(name, &step, before))
        if (strcmp(before, live) == 0) return true;
    return false;
}

/* The length of what a name has in common with the names that rotation makes of it, and of those. */
static size_t family(const char *path)
{
    size_t least = files_folder_len(path) + 1, len = strlen(path);
    if (plain_len(path) > least) len = plain_len(path);
    while (len > least && (ascii_is_digit(path[len - 1]) || strchr(".-_:", path[len - 1]) != NULL)) len--;
    return len;
}

bool name_same_family(const char *name, const char *met)
{
    return slice_equal(slice_of(name, family(name)), slice_of(met, family(met))) || name_is_rotated(met, name);
}
