# As health-trial.sh, for images with perl: perl /verify.pl PORT…
use strict;
use warnings;
use Socket;

my $answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 20\r\n"
  . "Connection: close\r\n\r\nservice unavailable\n";

sub answer {
    my ($client) = @_;
    alarm 3;    # ends this process
    sysread($client, my $request, 4096);
    return if -e '/tmp/silent';
    syswrite($client, $answer);
    shutdown($client, 1);
    1 while sysread($client, my $rest, 4096);
}

sub listen_on {
    my ($port) = @_;
    socket(my $server, PF_INET, SOCK_STREAM, 0) or die $!;
    bind($server, sockaddr_in($port, INADDR_ANY)) or die $!;
    listen($server, 64) or die $!;
    while (accept(my $client, $server)) {
        next if fork;
        answer($client);
        exit;
    }
}

$SIG{CHLD} = 'IGNORE';
for my $port (@ARGV) {
    next if fork;
    listen_on($port);
}
sleep while 1;
