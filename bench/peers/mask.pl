# The job as text, with what Perl makes easy: harmless variables stay, run ids become keyed hashes wherever they stand in
# their line. Run with: perl mask.pl < in > out
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);

my $harmless = qr/^(?:PATH|LD_LIBRARY_PATH|PYTHONPATH|HOME|HOSTNAME|PWD|LANG|TZ|OMP_NUM_THREADS|CUDA_VISIBLE_DEVICES|NCCL_DEBUG|HF_HOME)$/;
my $key = 'a key of the benchmark';

sub variable {
    my ($all, $quote, $name) = @_;
    return $name =~ $harmless ? $all : "$quote$name$quote:$quote\[redacted]$quote";
}

sub clean_map {
    my ($map) = @_;
    $map =~ s/(")([^"\\]*)":"(?:[^"\\]|\\.)*"/variable($&, $1, $2)/ge;
    return $map;
}

sub clean_nested_map {
    my ($map) = @_;
    $map =~ s/(\\")([^"\\]*)\\":\\"[^"\\]*\\"/variable($&, $1, $2)/ge;
    return $map;
}

while (my $line = <STDIN>) {
    $line =~ s/AccountKey=[A-Za-z0-9+\/]{86}==/AccountKey=[redacted]/g;
    $line =~ s/ey[IJ][\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/[redacted]/ga;
    $line =~ s/sig(=|%3D)[A-Za-z0-9%]{43,129}/sig$1\[redacted]/g;
    $line =~ s/[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34}/[redacted]/g;
    $line =~ s/([Pp]assword(?:=|\\*":\\*"))[^;&\\" ]+/$1\[redacted]/g;
    $line =~ s/(:\/\/[\w.-]+:)[^@\/" ]+@/$1\[redacted]@/ga;
    if (index($line, 'nvironmentVariables') >= 0) {
        $line =~ s/("EnvironmentVariables":)(\{(?:"[^"]*":"(?:[^"\\]|\\.)*",?)*\})/$1 . clean_map($2)/e;
        $line =~ s/(\\"environmentVariables\\":)(\{[^}]*\})/$1 . clean_nested_map($2)/e;
    }
    if (index($line, '"RunId"') >= 0) {
        my %runs = map { $_ => 1 } $line =~ /"(?:Root|Parent)?RunId":"([^"]+)"/g;
        for my $run (sort { length $b <=> length $a } keys %runs) {
            my $hash = 'run-' . substr(hmac_sha256_hex($run, $key), 0, 26);
            $line =~ s/\Q$run\E/$hash/g;
        }
    }
    print $line;
}
