/* What any program that reads a file and writes another pays at least: a copy in blocks of 256 KiB.
 *
 *     copy IN OUT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "copy: cannot %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    static char block[256 * 1024];
    if (argc != 3) {
        fputs("usage: copy IN OUT\n", stderr);
        return 2;
    }
    int in = open(argv[1], O_RDONLY), out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (in < 0) return fail("open the input");
    if (out < 0) return fail("open the output");
    ssize_t got;
    while ((got = read(in, block, sizeof block)) > 0)
        for (ssize_t done = 0, n; done < got; done += n)
            if ((n = write(out, block + done, (size_t)(got - done))) < 0) return fail("write");
    if (got < 0) return fail("read");
    return close(out) == 0 ? 0 : fail("close the output");
}
