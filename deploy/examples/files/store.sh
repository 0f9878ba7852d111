#!/bin/sh
# What people do to a folder by hand; the contract suite asks it (--store): store.sh VERB files:DIRECTORY[?...] FOLDER
set -eu
directory=${2#files:}
folder=${directory%%\?*}/$3
case $1 in
drop) rm -r "$folder" ;;
replace) rm -r "$folder" && mkdir "$folder" ;;
empty) rm -f "$folder"/* "$folder"/%* ;;
misshape) mkdir "$folder" && echo mine >"$folder/notes.txt" ;;
count) ls "$folder" | wc -l ;;
*) exit 3 ;; # this store has no such thing
esac
