#include "report_page.h"

#include "base/timestamp.h"
#include "report_priv.h"
#include "text.h"

#include <stdio.h>

static void put_slice(struct page *p, struct slice s)
{
    if (!p->failed) p->failed = !output_write(p->output, s, p->err);
}

void put(struct page *p, const char *markup) { put_slice(p, slice_from(markup)); }

void put_format(struct page *p, const char *format, ...)
{
    char    buffer[FORMATTED_BYTES];
    va_list args;
    va_start(args, format);
    put_slice(p, text_formatted(buffer, format, args));
    va_end(args);
}

static const char *escape(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Control characters and broken UTF-8 are shown as on the console. */
static void put_shown(struct page *p, struct slice text, const char *separators)
{
    char   shown[4 * 1024];
    size_t from = 0, at = 0;
    shown_slice(text, shown, sizeof shown);
    for (; shown[at] != '\0'; at++) {
        const char *escaped = escape(shown[at]);
        bool        separates = at > 0 && strchr(separators, shown[at]) != NULL;
        if (escaped == NULL && !separates) continue;
        put_slice(p, slice_of(shown + from, at - from));
        if (separates) put(p, "<wbr>");
        if (escaped != NULL) put(p, escaped);
        from = at + (escaped != NULL);
    }
    put_slice(p, slice_of(shown + from, at - from));
}

void put_text(struct page *p, struct slice text) { put_shown(p, text, ""); }

void put_path(struct page *p, struct slice path) { put_shown(p, path, ".!~/["); }

void put_number(struct page *p, uint64_t number)
{
    char text[NUMBER_TEXT];
    put(p, number_text(number, text));
}

void put_time(struct page *p, int64_t ms)
{
    char text[TIMESTAMP_TEXT];
    timestamp_text(ms, text);
    put_format(p, "<time datetime=\"%s\">%.10s <span>%.*s</span></time>", text, text, ms % 60000 == 0 ? 5 : 8, text + 11);
}
