#include "gunzip.h"

#include <isa-l/igzip_lib.h>

#define PACKED_BYTES (256 * 1024)

struct gunzip {
    struct byte_source   packed;
    const char          *name;
    struct inflate_state state;
    uint64_t             taken;      /* packed bytes read so far */
    bool                 in_member;  /* a member has begun and not ended */
    bool                 any;        /* a member has ended */
    struct error         failure;    /* kept until what came before it is handed out */
    uint8_t              buffer[PACKED_BYTES];
};

struct gunzip *gunzip_new(struct byte_source packed, const char *name)
{
    struct gunzip *g = malloc(sizeof *g);
    if (g == NULL) return NULL;
    g->packed = packed;
    g->name = name;
    g->taken = 0;
    g->in_member = g->any = false;
    g->failure = (struct error){0};
    isal_inflate_init(&g->state);
    return g;
}

void gunzip_free(struct gunzip *g) { free(g); }

static uint64_t packed_offset(const struct gunzip *g) { return g->taken - g->state.avail_in; }

static bool fail(struct gunzip *g, const char *reason)
{
    return error_set(&g->failure, ERROR_INPUT, "cannot unpack '%s': %s at byte %llu of the gzip file", g->name, reason,
                     (unsigned long long)packed_offset(g));
}

/* Makes packed bytes available. False: the end, or a failure, which is kept. */
static bool refill(struct gunzip *g)
{
    if (g->state.avail_in > 0) return true;
    ptrdiff_t got = g->packed.read(g->packed.context, (char *)g->buffer, sizeof g->buffer, &g->failure);
    if (got <= 0) return false;
    g->taken += (uint64_t)got;
    g->state.next_in = g->buffer;
    g->state.avail_in = (uint32_t)got;
    return true;
}

/* The next packed byte, or -1. */
static int next_byte(struct gunzip *g)
{
    if (!refill(g)) return -1;
    g->state.avail_in--;
    return *g->state.next_in++;
}

static bool skip_bytes(struct gunzip *g, unsigned count)
{
    while (count > 0 && next_byte(g) >= 0) count--;
    return count == 0;
}

static bool skip_text(struct gunzip *g)
{
    int byte;
    while ((byte = next_byte(g)) > 0) continue;
    return byte == 0;
}

enum { FLAG_CHECKSUM = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAGS_RESERVED = 0xe0 };

static bool skip_extra(struct gunzip *g)
{
    int low = next_byte(g), high = next_byte(g);
    return high >= 0 && skip_bytes(g, (unsigned)(low | high << 8));
}

/* Passes the header of a member, of which a byte is there. The library's own reader of headers loses its place when a header
 * with a name is cut by the end of the buffer. */
static bool read_header(struct gunzip *g)
{
    if (*g->state.next_in != 0x1f) return fail(g, "something that is not gzip follows");
    int magic = next_byte(g) >= 0 ? next_byte(g) : -1, method = next_byte(g), flags = next_byte(g);
    if (magic >= 0 && magic != 0x8b) return fail(g, "damaged header");
    if (flags >= 0 && method != 8) return fail(g, "unknown compression method");
    if (flags >= 0 && (flags & FLAGS_RESERVED)) return fail(g, "damaged header");
    bool whole = flags >= 0 && skip_bytes(g, 6) && (!(flags & FLAG_EXTRA) || skip_extra(g)) &&
                 (!(flags & FLAG_NAME) || skip_text(g)) && (!(flags & FLAG_COMMENT) || skip_text(g)) &&
                 (!(flags & FLAG_CHECKSUM) || skip_bytes(g, 2));
    return whole || fail(g, "ends too early");
}

/* Stands at the first byte of the next member's data. False: there is none. */
static bool begin_member(struct gunzip *g)
{
    while (g->any && refill(g) && *g->state.next_in == 0) next_byte(g);
    if (!refill(g)) return g->any ? false : fail(g, "ends too early");
    if (!read_header(g)) return false;
    isal_inflate_reset(&g->state);   /* leaves next_in, next_out and the like alone */
    g->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
    g->in_member = true;
    return true;
}

/* Unpacks some of the member into what is left of the output. False: nothing more will come. */
static bool unpack(struct gunzip *g)
{
    /* Once its input is read the library may still hold bytes to hand out, so the end of the input decides nothing
     * while the output has grown. */
    uint32_t room = g->state.avail_out;
    if (!refill(g) && g->failure.code != ERROR_NONE) return false;
    int result = isal_inflate(&g->state);
    if (result != ISAL_DECOMP_OK) return fail(g, result == ISAL_INCORRECT_CHECKSUM ? "wrong checksum" : "damaged data");
    if (g->state.block_state == ISAL_BLOCK_FINISH) {
        g->in_member = false;
        g->any = true;
        return true;
    }
    if (g->state.avail_out == room && !refill(g)) return fail(g, "ends too early");
    return true;
}

ptrdiff_t gunzip_read(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct gunzip *g = context;
    uint32_t       room = capacity < INT32_MAX ? (uint32_t)capacity : INT32_MAX;
    g->state.next_out = (uint8_t *)buffer;
    g->state.avail_out = room;
    while (g->state.avail_out > 0 && g->failure.code == ERROR_NONE)
        if (!(g->in_member ? unpack(g) : begin_member(g))) break;
    if (g->state.avail_out < room) return room - g->state.avail_out;
    if (g->failure.code == ERROR_NONE) return 0;
    error_set(err, g->failure.code, "%s", g->failure.text);
    return -1;
}
