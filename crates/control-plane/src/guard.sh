# Outlives the process that started it, however that ends; then ends every process whose working directory is FOLDER, and
# removes FOLDER.
#
#   sh guard.sh FOLDER <PIPE     PIPE is held open by that process alone
folder=$1
cat >/dev/null

# Succeeds while there was something to end.
end_all() {
  status=1
  for cwd in /proc/[0-9]*/cwd; do
    [ "$cwd" -ef "$folder" ] || continue
    pid=${cwd#/proc/}
    kill -KILL "${pid%/cwd}" && status=0
  done 2>/dev/null
  return $status
}

while end_all; do sleep 0.02; done
rm -rf "$folder"
