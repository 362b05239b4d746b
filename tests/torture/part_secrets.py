"""Secrets where the program does not look for any: around it, in names and its environment, and in its own memory."""
import base64
import os
import pwd
import resource
import shutil
import signal
import subprocess

from outcome import LeftOut, from_verdict, part
from subject import Subject, new_folder

VARIABLES = 200
NOBODY = pwd.getpwnam("nobody")
DEADLY = [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGQUIT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS]
PIECE = 16   # bytes of a key that must not be found


def renaming_the_host(name):
    """In front of a command: gives it a host name of its own. Empty where that is not allowed."""
    prefix = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        return []
    return prefix


@part("surroundings")
def surroundings(context):
    """Canaries in the environment, the arguments, the working folder and the name of the host: none comes out anywhere. Names that the
    configuration gives, and those of files that are read, are told where something is told of them: they are not among these."""
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, kafka=context.kafka() if context.scale > 0 else None, sealed=True)
    canaries = subject.journal.canaries
    secret_names = ("PASSWORD", "AZURE_CLIENT_SECRET", "SAS", "X")
    subject.environment = {f"{secret_names[n % len(secret_names)]}_{n}": canaries[n % len(canaries)] for n in range(VARIABLES)}
    config = context.folder / canaries[1] / "lethe.yaml"
    config.parent.mkdir()
    shutil.copy(subject.config, config)
    subject.config = config
    working = context.folder / canaries[2]
    working.mkdir()
    subject.working = working
    subject.prefix = renaming_the_host(canaries[3])
    wrong = subject.live()
    verdict = subject.verdict(whole=False, duplicates_allowed=len(subject.journal.issued))
    return from_verdict(verdict, VARIABLES + 2 + len(subject.prefix[-1:]), wrong, **{
        "canaries planted around it": f"{VARIABLES} variables, an argument, the working folder" + (", the host's name" if subject.prefix else "")})


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY.pw_gid)
    os.setuid(NOBODY.pw_uid)


def got_by_nobody(process):
    """How much another user tries of the process, and what of it succeeds: files of /proc, a debugger."""
    tries = {"mem": ["head", "-c1"], "environ": ["head", "-c1"], "maps": ["head", "-c1"], "fd": ["ls"], "stack": ["head", "-c1"]}
    commands = {name: [*command, f"/proc/{process.pid}/{name}"] for name, command in tries.items()}
    if shutil.which("gdb"):
        commands["a debugger"] = ["gdb", "-nx", "-batch", "-p", str(process.pid), "-ex", "info registers rip"]
    got = set()
    for name, command in commands.items():
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd="/", check=False, timeout=120,
                              preexec_fn=become_nobody)
        is_refused = "rip " not in done.stdout if name == "a debugger" else done.returncode != 0 or not done.stdout
        got |= set() if is_refused else {name}
    return len(commands), sorted(got)


def keys_in_a_dump(subject, folder):
    """Forms of the spool's key in all memory that root can dump: what is kept out of dumps is not in it."""
    subprocess.run(["gcore", "-o", str(folder / "dump"), str(subject.process.pid)], capture_output=True, timeout=300, check=False)
    dump = folder / f"dump.{subject.process.pid}"
    if not dump.exists():
        raise LeftOut("gcore dumps nothing here")
    memory = dump.read_bytes()
    dump.unlink()
    text = (subject.keys / "store.key").read_bytes().strip()
    key = base64.b64decode(text)
    forms = {"raw": key[:PIECE], "raw, its end": key[-PIECE:], "as in its file": text[:PIECE], "as in its file, its end": text[-PIECE - 1:-1]}
    return [form for form, piece in forms.items() if piece in memory], len(memory)


@part("memory")
def memory(context):
    """A process that dies leaves no core; no other user reads its memory, its keys are in no dump, even root's."""
    if os.geteuid() != 0 or shutil.which("gcore") is None:
        raise LeftOut("needs root and gdb")
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed, sealed=True)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    subject.begin_traffic()
    subject.web.mode = "busy"   # blocks are encrypted
    red, tries, cores, deaths = [], 0, 0, DEADLY[:context.amount(2, len(DEADLY))]
    for number in deaths:
        signal.signal(number, signal.SIG_DFL)   # what we ignore, the subject would, too
        subject.start_and_flow()
        subject.process.send_signal(number)
        subject.process.wait(timeout=60)
        if subject.process.returncode != -number:
            red.append(f"{number.name} ended it with {subject.process.returncode}")
        cores += len(list((subject.folder / "core").iterdir()))
    subject.start_and_flow()
    subject.post(20)
    tries, got = got_by_nobody(subject.process)
    found, dumped = keys_in_a_dump(subject, context.folder)
    red += [f"another user reads {name} of it" for name in got] + [f"the spool's key is in a dump, {form}" for form in found]
    red += [f"{cores} core files"] if cores else []
    wrong = subject.settle()
    verdict = subject.verdict(whole=False, duplicates_allowed=len(deaths) * 4000)
    outcome = from_verdict(verdict, len(deaths) + tries + 1, wrong, **{
        "deaths by a signal that leaves a core, cores": f"{len(deaths)}, {cores}", "what another user tried and got": f"{tries}, {len(got)}",
        "MB dumped by root, forms of the key in it": f"{dumped / 1e6:.0f}, {len(found)}"})
    outcome.red += red
    return outcome
