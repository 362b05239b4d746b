#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

bool sandbox_become(const char *user, struct error *err)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL && errno != 0) return error_set_errno(err, ERROR_INPUT, "cannot look up the user '%s'", user);
    if (entry == NULL) return error_set(err, ERROR_USAGE, "there is no user '%s'", user);
    if (geteuid() == entry->pw_uid && getuid() == entry->pw_uid) return true;
    if (geteuid() != 0)
        return error_set(err, ERROR_USAGE, "only root can become the user '%s': start as root, or as that user without --user",
                         user);
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return error_set_errno(err, ERROR_USAGE, "cannot become the user '%s'", user);
    if (uid != 0 && (setuid(0) == 0 || (gid != 0 && setgid(0) == 0)))
        return error_set(err, ERROR_USAGE, "the kernel lets the user '%s' become root again; nothing is done", user);
    sandbox_protect_memory();   /* changing users undoes part of it */
    return true;
}
