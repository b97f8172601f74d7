# fish completion of spawn-fcgi, made from its table of options.

# The program behind -- and its arguments, if the cursor is there.
function __spawn_fcgi_program
    set -l words (commandline -opc)
    set -l end (contains -i -- -- $words)
    or return 1
    set -e words[1..$end]
    # A program without a slash is looked for in the working directory, not in PATH.
    if set -q words[1]
        complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
    else
        __fish_complete_path (commandline -ct)
    end
end

function __spawn_fcgi_is_program
    contains -- -- (commandline -opc)
end

complete -c spawn-fcgi -n __spawn_fcgi_is_program -x -a '(__spawn_fcgi_program)'
# @options
