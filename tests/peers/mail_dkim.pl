# Verifies mails with Mail::DKIM. Arguments: a file of DNS records (name, tab, text), then the mails' files.
# Prints one line a mail: "selector=result" for each signature, from the top. Asks no name server.
use strict;
use warnings;

package Records;
use Net::DNS;

sub new { my ($class, $records) = @_; return bless {records => $records}, $class; }

sub send {
    my ($self, $name, $type) = @_;
    my $packet = Net::DNS::Packet->new($name, $type);
    my $text = $self->{records}{lc $name};
    $packet->header->rcode(defined $text ? 'NOERROR' : 'NXDOMAIN');
    if (defined $text) {
        my @runs = $text =~ /(.{1,200})/g;    # a string in the DNS has 255 octets at most
        $packet->push(answer => Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => \@runs));
    }
    return $packet;
}

package main;
use Mail::DKIM::Verifier;
use Mail::DKIM::DNS;

my ($table, @mails) = @ARGV;
my %records;
open my $lines, '<', $table or die "$table: $!";
while (my $line = <$lines>) {
    chomp $line;
    my ($name, $text) = split /\t/, $line, 2;
    $records{$name} = $text;
}
Mail::DKIM::DNS::resolver(Records->new(\%records));
for my $mail (@mails) {
    open my $file, '<:raw', $mail or die "$mail: $!";
    my $content = do { local $/; <$file> };
    my $verifier = Mail::DKIM::Verifier->new;
    $verifier->PRINT($content);
    $verifier->CLOSE;
    print join(' ', map { $_->selector . '=' . $_->result } $verifier->signatures), "\n";
}
