#!/usr/bin/perl
# Reads mails with MIME-tools: paths on standard input, a JSON line each on standard output (reading.py).
# Debian: libmime-tools-perl.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Encode;
use JSON::PP;
use MIME::Parser;

sub walk {
    my ($entity, $depth, $tree, $leaves) = @_;
    my $type = lc $entity->mime_type;
    push @$tree, [$depth, $type];
    my @parts = $entity->parts;
    if ($type =~ m{^multipart/}) {
        walk($_, $depth + 1, $tree, $leaves) for @parts;
        return;
    }
    my $octets = $entity->bodyhandle ? $entity->bodyhandle->as_string : "";
    my $text;
    if ($type =~ m{^text/}) {
        my $label = $entity->head->mime_attr("content-type.charset") // "us-ascii";
        # Perl's iso-2022-jp lacks what Windows writes, as most do; cp50220 is not among its names either.
        my $charset = find_encoding($label);
        $text = eval { $charset->decode($octets, Encode::FB_CROAK | Encode::LEAVE_SRC) } if $charset;
    }
    push @$leaves, [$type, sha256_hex($octets), $text];
}

my $json = JSON::PP->new->ascii->allow_nonref;
$| = 1;
while (my $path = <STDIN>) {
    chomp $path;
    my $answer = eval {
        my $parser = MIME::Parser->new;
        $parser->output_to_core(1);
        $parser->tmp_to_core(1);
        $parser->extract_nested_messages(0);
        $parser->decode_headers(0);
        open my $file, "<:raw", $path or die "open: $!";
        my $entity = $parser->parse($file);
        my (@tree, @leaves);
        walk($entity, 0, \@tree, \@leaves);
        { tree => \@tree, leaves => \@leaves };
    };
    $answer = { error => "$@" } unless $answer;
    print $json->encode($answer), "\n";
}
