#include "http_message.h"

#include <time.h>

/* Kept free in front of the status line, so that the one field which is decided late can still be put behind it. */
#define CLOSE_LINE "Connection: close\r\n"
#define CLOSE_LEN (sizeof CLOSE_LINE - 1)

#define HEAD_EXTRA 256   /* status line, Date, Content-Length and what stands around names and values */
#define DATE_LEN 29      /* "Sun, 06 Nov 1994 08:49:37 GMT" */

static const char *reason_of(int status)
{
    static const struct { int status; const char *text; } reasons[] = {
        {200, "OK"}, {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"}, {400, "Bad Request"},
        {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
        {408, "Request Timeout"}, {411, "Length Required"}, {413, "Content Too Large"}, {414, "URI Too Long"},
        {415, "Unsupported Media Type"}, {417, "Expectation Failed"}, {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
        {503, "Service Unavailable"}, {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) return reasons[i].text;
    return "";
}

/* RFC 9110, section 5.6.7; strftime() would speak the user's language. */
static void print_date(char text[DATE_LEN + 1])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t            now = time(NULL);
    struct tm         t;
    gmtime_r(&now, &t);
    snprintf(text, DATE_LEN + 1, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[t.tm_wday], (unsigned)t.tm_mday % 100,
             months[t.tm_mon], (unsigned)(t.tm_year + 1900) % 10000, (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100,
             (unsigned)t.tm_sec % 100);
}

static bool breaks_the_line(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f) return true;
    return false;
}

static size_t field_bytes(const struct http_answer *a)
{
    size_t bytes = a->content_type != NULL ? strlen(a->content_type) : 0;
    CHECK(a->content_type == NULL || !breaks_the_line(a->content_type));
    for (size_t i = 0; i < HTTP_ANSWER_FIELDS && a->fields[i].name != NULL; i++) {
        CHECK(!breaks_the_line(a->fields[i].name) && !breaks_the_line(a->fields[i].value));
        bytes += strlen(a->fields[i].name) + strlen(a->fields[i].value) + 4;
    }
    return bytes;
}

static void add(char **at, const char *text)
{
    size_t len = strlen(text);
    memcpy(*at, text, len);
    *at += len;
}

static void add_field(char **at, const char *name, const char *value)
{
    add(at, name);
    add(at, ": ");
    add(at, value);
    add(at, "\r\n");
}

struct http_message http_message_make(const struct http_answer *a)
{
    struct http_message m = {.start = CLOSE_LEN, .status = a->status};
    char                line[64], date[DATE_LEN + 1];
    CHECK(a->status >= 200 && a->status <= 599 && (a->status != 204 || a->body.len == 0));
    m.data = malloc(CLOSE_LEN + HEAD_EXTRA + field_bytes(a) + a->body.len);
    if (m.data == NULL) return m;
    char *at = m.data + CLOSE_LEN;
    snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", a->status, reason_of(a->status));
    add(&at, line);
    print_date(date);
    add_field(&at, "Date", date);
    if (a->content_type != NULL) add_field(&at, "Content-Type", a->content_type);
    for (size_t i = 0; i < HTTP_ANSWER_FIELDS && a->fields[i].name != NULL; i++)
        add_field(&at, a->fields[i].name, a->fields[i].value);
    if (a->status != 204) {   /* RFC 9110, section 8.6: must not be there */
        snprintf(line, sizeof line, "%zu", a->body.len);
        add_field(&at, "Content-Length", line);
    }
    add(&at, "\r\n");
    m.end = (size_t)(at - m.data);
    m.total = m.end + a->body.len;
    if (a->body.len > 0) memcpy(at, a->body.data, a->body.len);
    return m;
}

void http_message_set_close(struct http_message *m)
{
    CHECK(m->start == CLOSE_LEN);
    size_t line = (size_t)((char *)memchr(m->data + CLOSE_LEN, '\n', m->end - CLOSE_LEN) + 1 - (m->data + CLOSE_LEN));
    memmove(m->data, m->data + CLOSE_LEN, line);
    memcpy(m->data + line, CLOSE_LINE, CLOSE_LEN);
    m->start = 0;
}
