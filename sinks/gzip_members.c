#include "sinks/gzip_members.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_BYTES   20   /* the fixed ten, two of the extra field's length, eight of the field */
#define LENGTH_AT    16
#define TAIL_BYTES   8    /* checksum and length */
#define ROUND_BYTES  65536
#define UNPACK_BYTES 65536

/* gzip, deflate, an extra field; no time; made by Unix. Eight bytes of extra field: "LT", four bytes. */
static const uint8_t head[LENGTH_AT] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 8, 0, 'L', 'T', 4, 0};

struct gzip_members {
    struct isal_zstream stream;
    uint8_t             level_buffer[ISAL_DEF_LVL1_DEFAULT];
};

struct gzip_members *gzip_members_new(void)
{
    struct gzip_members *g = malloc(sizeof *g);
    if (g != NULL) isal_deflate_init(&g->stream);
    return g;
}

void gzip_members_free(struct gzip_members *g) { free(g); }

/* --- Packing ---------------------------------------------------------------------------------------------------------- */

static bool pack_some(struct isal_zstream *z, struct encoded *out)
{
    if (!encoded_reserve(out, ROUND_BYTES)) return false;
    z->next_out = (uint8_t *)out->data + out->len;
    z->avail_out = ROUND_BYTES;
    CHECK(isal_deflate(z) == COMP_OK);
    out->len += ROUND_BYTES - z->avail_out;
    return true;
}

bool gzip_members_pack(struct gzip_members *g, struct slice bytes, struct encoded *out)
{
    struct isal_zstream *z = &g->stream;
    size_t               start = out->len;
    CHECK(bytes.len < UINT32_MAX / 2);
    if (!encoded_append(out, slice_of((const char *)head, sizeof head)) || !encoded_append(out, slice_of("\0\0\0", 4)))
        return false;
    isal_deflate_reset(z);
    z->level = 1;
    z->level_buf = g->level_buffer;
    z->level_buf_size = sizeof g->level_buffer;
    z->gzip_flag = IGZIP_GZIP_NO_HDR;
    z->flush = NO_FLUSH;
    z->next_in = (uint8_t *)(uintptr_t)bytes.data;   /* the library does not write to it */
    z->avail_in = (uint32_t)bytes.len;
    z->end_of_stream = 1;
    while (z->internal_state.state != ZSTATE_END)
        if (!pack_some(z, out)) return false;
    for (size_t i = 0; i < 4; i++) out->data[start + LENGTH_AT + i] = (char)((out->len - start) >> 8 * i & 0xff);
    return true;
}

/* --- Measuring -------------------------------------------------------------------------------------------------------- */

static bool read_at(int fd, void *to, size_t len, uint64_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(fd, (char *)to + done, len - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    return true;
}

/* Unpacks it and throws it away: the checksum is compared on the way. */
static bool is_sound(struct inflate_state *z, uint8_t *member, uint32_t len)
{
    static _Thread_local uint8_t unpacked[UNPACK_BYTES];
    bool                         good;
    isal_inflate_init(z);
    z->crc_flag = ISAL_GZIP;
    z->next_in = member;
    z->avail_in = len;
    do {
        z->next_out = unpacked;
        z->avail_out = sizeof unpacked;
        good = isal_inflate(z) == ISAL_DECOMP_OK;
    } while (good && z->block_state != ISAL_BLOCK_FINISH && (z->avail_in > 0 || z->avail_out == 0));
    return good && z->block_state == ISAL_BLOCK_FINISH && z->avail_in == 0;
}

/* Where the last whole member begins and ends, by the lengths alone. */
static enum gzip_found hop(int fd, uint64_t size, uint64_t *last, uint64_t *end)
{
    uint8_t  bytes[HEAD_BYTES];
    *last = *end = 0;
    while (size - *end >= HEAD_BYTES + TAIL_BYTES) {
        if (!read_at(fd, bytes, sizeof bytes, *end)) return GZIP_UNREADABLE;
        if (memcmp(bytes, head, sizeof head) != 0) return memcmp(bytes, head, 3) == 0 ? GZIP_FOREIGN : GZIP_OURS;
        uint64_t len = (uint64_t)bytes[16] | (uint64_t)bytes[17] << 8 | (uint64_t)bytes[18] << 16 | (uint64_t)bytes[19] << 24;
        if (len < HEAD_BYTES + TAIL_BYTES || len > size - *end) return GZIP_OURS;
        *last = *end;
        *end += len;
    }
    return GZIP_OURS;
}

enum gzip_found gzip_members_measure(int fd, uint64_t size, uint64_t *end)
{
    uint64_t        last;
    enum gzip_found found = hop(fd, size, &last, end);
    if (found != GZIP_OURS || *end == last) return found;
    uint8_t              *member = malloc((size_t)(*end - last));
    struct inflate_state *z = malloc(sizeof *z);
    if (member == NULL || z == NULL || !read_at(fd, member, (size_t)(*end - last), last)) found = GZIP_UNREADABLE;
    else if (!is_sound(z, member, (uint32_t)(*end - last))) *end = last;
    free(member);
    free(z);
    return found;
}
