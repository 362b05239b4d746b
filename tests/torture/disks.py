"""File systems of one's own: ext4 in a file, tmpfs; filled, shut down under the program, made read-only."""
import fcntl
import os
import shutil
import struct
import subprocess

from outcome import LeftOut

SHUTDOWN = 0x8004587D   # FS_IOC_SHUTDOWN, linux/fs.h: _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2        # what is not in the journal on disk is gone


def call(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Disk:
    """A mounted file system in `folder`."""

    def __init__(self, folder, kind, megabytes, options="noatime"):
        self.folder, self.kind, self.image, self.options = folder, kind, None, options
        folder.mkdir(parents=True)
        if os.geteuid() != 0:
            raise LeftOut("mounting a file system needs root")
        if kind == "tmpfs":
            self.options = f"size={megabytes}m,mode=0700"
        else:
            self.image = folder.parent / (folder.name + ".img")
            with open(self.image, "wb") as file:
                file.truncate(megabytes << 20)
            if shutil.which("mkfs.ext4") is None:
                raise LeftOut("there is no mkfs.ext4")
            made = call("mkfs.ext4", "-q", "-F", str(self.image))
            assert made.returncode == 0, made.stderr
        self.mount()

    def mount(self):
        what = ["-t", "tmpfs", "-o", self.options, "tmpfs"] if self.image is None else ["-o", f"loop,{self.options}", str(self.image)]
        done = call("mount", *what, str(self.folder))
        if done.returncode != 0:
            raise LeftOut(f"cannot mount {self.kind} here: {done.stderr.strip()}")

    def unmount(self):
        done = call("umount", str(self.folder))
        assert done.returncode == 0, done.stderr

    def release(self):
        """At the end, whatever is open on it."""
        call("umount", "-l", str(self.folder))
        if self.image is not None:
            self.image.unlink(missing_ok=True)

    def cut_power(self):
        """From now on nothing reaches the disk; what was not synced is gone after the next mount()."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        except OSError as error:
            raise LeftOut(f"{self.kind} cannot be shut down here: {error.strerror}") from error
        finally:
            os.close(fd)

    def fill(self):
        """Leaves no free block; the bytes that were free."""
        free = os.statvfs(self.folder)
        size = free.f_bfree * free.f_frsize
        with open(self.folder / "ballast", "ab") as ballast:
            step = size
            while step >= 4096:
                try:
                    os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, step)
                except OSError:
                    step //= 2
        return size

    def empty(self):
        (self.folder / "ballast").unlink(missing_ok=True)
