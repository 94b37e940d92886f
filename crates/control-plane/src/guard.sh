# Outlives the process that started it, however that ends; then ends every process whose working directory is FOLDER, and
# removes FOLDER.
#
#   sh guard.sh FOLDER <PIPE     PIPE is held open by that process alone
folder=$1
cat >/dev/null

ended_one() {
  found=1
  for cwd in /proc/[0-9]*/cwd; do
    if [ "$cwd" -ef "$folder" ]; then
      pid=${cwd#/proc/}
      kill -KILL "${pid%/cwd}" && found=0
    fi
  done 2>/dev/null
  return $found
}

while ended_one; do sleep 0.02; done
rm -rf "$folder"
