"""Two instances on one store: the second refuses, and says why; the first does not notice."""
import subprocess

from outcome import from_verdict, part
from subject import BINARY, Subject, free_port, new_folder


def second_config(subject, number):
    """The same store, ports of its own."""
    text = subject.config.read_text()
    for port in (subject.port, subject.admin):
        text = text.replace(f":{port}", f":{free_port()}")
    path = subject.config.with_name(f"second-{number}.yaml")
    path.write_text(text)
    return path


@part("twins")
def run(context):
    tries = context.amount(3, 30)
    subject = Subject(new_folder(context.folder, "run"), seed=context.seed)
    subject.start()
    subject.begin_traffic()
    refused, wrong = 0, ""
    for number in range(tries):
        second = subprocess.run([BINARY, "run", "-c", second_config(subject, number)], capture_output=True, text=True, timeout=60,
                                check=False)
        told = [line for line in second.stderr.splitlines() if str(subject.folder / "state") in line]
        refused += second.returncode != 0 and len(told) > 0
    wrong = subject.settle()
    if refused != tries:
        wrong = f"{tries - refused} of {tries} second instances were not refused with the store's name: {second.stderr[-300:]}"
    verdict = subject.verdict()
    return from_verdict(verdict, tries, wrong, **{"second instances refused": f"{refused} of {tries}"})
