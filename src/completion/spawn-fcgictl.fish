# fish completion of spawn-fcgictl, made from its commands.

# The pools that run, by the names that a command takes; never longer than a moment, and without a word.
function __spawn_fcgictl_targets
    set -l words (commandline -opc)
    set -l where
    if set -l at (contains -i -- --state-dir $words)
        set -q words[(math $at + 1)]
        and set where --state-dir $words[(math $at + 1)]
    else
        set where (string match -- '--state-dir=*' $words)
    end
    set -l found (command timeout 2 $words[1] $where completion targets 2>/dev/null </dev/null)
    set -q found[1]
    and printf '%s\n' $found
    string match -q -- '*/*' (commandline -ct)
    or not set -q found[1]
    and __fish_complete_path (commandline -ct)
end

# The command and its operands, as far as they stand there.
function __spawn_fcgictl_words
    set -l words (commandline -opc)
    set -l passes 0
    for word in $words[2..-1]
        if test $passes = 1
            set passes 0
            continue
        end
        switch $word
            case @valued@
                set passes 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

# Whether it is this command; without one: whether there is none yet.
function __spawn_fcgictl_is
    set -l found (__spawn_fcgictl_words)
    test "$found[1]" = "$argv[1]"
end

# Whether it is this command, without an operand.
function __spawn_fcgictl_takes
    set -l found (__spawn_fcgictl_words)
    test "$found" = "$argv[1]"
end

complete -c spawn-fcgictl -f
# @options
