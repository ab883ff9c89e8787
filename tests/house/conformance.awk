# conformance.awk - see conformance.sh. Reads, in this order: tcpsm.h, packet
# scripts, test programs and scripts (and, with mode=ran, their logs), the
# table, and with mode=doc the document last.
#   mode=doc     the document, its generated parts anew
#   mode=check   lines `NAME<tab>what is wrong`, where NAME is a check
#   mode=ran     one line for each row: ok, FAIL or SKIP
#   mode=bare    rows without a packet script: id, answer, requirement

function trim(s) {
    sub(/^ +/, "", s)
    sub(/ +$/, "", s)
    return s
}

# Every id that a line cites, in seen[]: RFC9293-MUST-10, RFC6298-2, -3,
# RFC5961-1 to -4.
function cites(s, seen,    id, pre, n, m, k, word) {
    split("", seen)
    while (match(s, /RFC[0-9]+-(MUST-|SHLD-|MAY-|REC-|u)?[0-9]+/)) {
        id = substr(s, RSTART, RLENGTH)
        s = substr(s, RSTART + RLENGTH)
        seen[id] = 1
        match(id, /[0-9]+$/)
        pre = substr(id, 1, RSTART - 1)
        n = substr(id, RSTART) + 0
        while (match(s, /^(,| and| to| or)( and)? -u?[0-9]+/)) {
            word = substr(s, 1, RLENGTH)
            s = substr(s, RLENGTH + 1)
            m = word
            sub(/.*-u?/, "", m)
            for (k = word ~ /^ to/ ? n + 1 : m; k <= m + 0; k++)
                seen[pre (k + 0)] = 1
            n = m + 0
        }
    }
}

# ---- reading ----

FNR == 1 {
    path = FILENAME
    sub(/^tests\//, "", path)
}

FILENAME == "tcpsm.h" {
    H[FNR] = $0
    lines = FNR
    if (/^#if.*TCPSM_IMPLEMENTATION/)
        private = FNR
    cites($0, seen)
    for (id in seen)
        if (!((id, FNR) in at)) {
            at[id, FNR] = 1
            n = ++cited[id]
            where[id, n] = FNR
        }
    if (/^[A-Za-z].*\(/) { # a definition or declaration, the last counts
        name = $0
        sub(/\(.*/, "", name)
        sub(/.*[ *]/, "", name)
        define[name] = FNR
    }
    next
}

path ~ /^scripts\/.*\.pkt$/ {
    exists[path] = 1
    cites($0, seen)
    for (id in seen)
        if (!((id, path) in shows)) {
            shows[id, path] = 1
            scripts[id] = scripts[id] (scripts[id] == "" ? "" : " ") path
            scripted[path] = 1
        }
    next
}

path ~ /\.c$/ {
    if (/^TEST\(/) {
        name = $0
        sub(/^TEST\(/, "", name)
        sub(/\).*/, "", name)
        exists[path ":" name] = 1
    }
    next
}

path ~ /\.sh$/ {
    text[path] = text[path] "\n" $0
    next
}

mode == "ran" && FILENAME ~ /\.log$/ {
    log_ = FILENAME
    sub(/.*\//, "", log_)
    sub(/\.log$/, "", log_)
    if (/^(ok|FAIL|SKIP) /) {
        what = $1
        name = $2
        sub(/:$/, "", name)
        why = $0
        sub(/^[^:]*: /, "", why)
        if (what == "SKIP" && why == $0)
            why = "no reason given"
        # a script of packets, whatever program ran it
        if (name ~ /\.pkt$/ || log_ ~ /^scripts-/) {
            sub(/^.*tests\//, "", name)
            sub(/^scripts\//, "", name)
            sub(/\.pkt$/, "", name)
            key = "scripts/" name ".pkt"
        } else {
            key = log_ ":" name
        }
        if (result[key] != "FAIL") # once is enough
            result[key] = what
        reason[key] = why
        ran[log_, what]++
        if (what == "SKIP")
            all[log_] = why
    }
    next
}

FILENAME ~ /\.tsv$/ {
    if (/^# [A-Z]+[0-9]*\t/) {
        rfc = substr($0, 3)
        sub(/\t.*/, "", rfc)
        title[rfc] = substr($0, index($0, "\t") + 1)
        order[++titles] = rfc
        next
    }
    if (/^#/ || /^ *$/)
        next
    fields = split($0, f, "\t")
    id = f[1]
    if (fields != 7)
        complain("rows-well-formed", id "(" fields " fields)")
    if (id in requirement)
        complain("rows-well-formed", id "(twice)")
    row[++rows] = id
    strength[id] = f[2]
    section[id] = f[3]
    requirement[id] = f[4]
    answer[id] = f[5]
    anchor[id] = f[6] == "" || f[6] == "-" ? "" : f[6]
    wants[id] = f[6] != ""
    tests[id] = trim(f[7] " " scripts[id])
    yes[id] = f[5]
    sub(/[^a-z].*/, "", yes[id])
    because[id] = f[5]
    sub(/^[a-z]+[:;,]? */, "", because[id])
    kind[id] = id
    sub(/-[0-9]+$/, "", kind[id])
    sub(/-u[0-9]+$/, "-u", kind[id])
    whose = id
    sub(/-.*/, "", whose)
    if (whose == id)
        whose = kind[id] = "ALSO" # an RFC as a whole
    of[id] = whose
    next
}

FILENAME ~ /\.md$/ {
    D[++doc] = $0
    next
}

# ---- what a row refers to ----

function complain(name, what) {
    if (mode == "check")
        print name "\t" what
}

# The lines of the header that an anchor names, in found[]; their number.
# Of a citation two at most, and those that do it before those that say it.
function resolve(id, found,    a, n, i) {
    split("", found)
    a = anchor[id]
    if (a == "") {
        for (i = 1; i <= cited[id] && n < 2; i++)
            if (where[id, i] > private)
                found[++n] = where[id, i]
        for (i = 1; i <= cited[id] && n < 2; i++)
            if (where[id, i] < private)
                found[++n] = where[id, i]
        return n + 0
    }
    if (substr(a, 1, 1) == "@") {
        a = substr(a, 2)
        if (a in define)
            found[++n] = define[a]
        return n + 0
    }
    for (i = 1; i <= lines; i++)
        if (index(H[i], a))
            found[++n] = i
    return n > 1 ? 0 : n + 0 # a text that is there twice names no line
}

function there(t,    file, name) {
    if (t in exists)
        return 1
    file = t
    sub(/:.*/, "", file)
    name = t
    sub(/.*:/, "", name)
    return file in text && index(text[file], name) > 0
}

# ---- the three modes ----

function links(id,    found, n, i, s) {
    if (!wants[id])
        return ""
    n = resolve(id, found)
    for (i = 1; i <= n; i++)
        s = s (i > 1 ? " " : "") "[tcpsm.h:" found[i] "](../tcpsm.h#L" \
            found[i] ")"
    return s
}

function shown(id,    t, n, i, s, file, name, m, last) {
    n = split(tests[id], t, " ")
    for (i = 1; i <= n; i++) {
        if (t[i] ~ /\.pkt$/ && ++m > 3)
            continue # they find themselves
        file = t[i]
        sub(/:.*/, "", file)
        name = t[i]
        sub(/^[^:]*:?/, "", name)
        if (file == last) {
            s = s ", " name
            continue
        }
        last = file
        s = s (i > 1 ? "<br>" : "") "[" file "](../tests/" file ")" \
            (name == "" ? "" : ": " name)
    }
    return s
}

# What is asked for and not done: in short, before all the tables.
function noes(    i, id, n) {
    print "| id | what | why not |"
    print "|---|---|---|"
    for (i = 1; i <= rows; i++) {
        id = row[i]
        if (yes[id] != "no" || kind[id] == "NOTE" ||
            strength[id] !~ /^(MUST|SHOULD|RECOMMENDED)/)
            continue
        n++
        print "| " id " | " strength[id] ": " requirement[id] " | " \
            because[id] " |"
    }
    return n
}

function table(what,    i, id, n) {
    if (what == "no")
        return noes()
    if (what == "NOTE") {
        print "| statement | is it so? | shown by |"
        print "|---|---|---|"
    } else {
        print "| id | requirement | our answer | in the header | shown by |"
        print "|---|---|---|---|---|"
    }
    for (i = 1; i <= rows; i++) {
        id = row[i]
        if (kind[id] != what)
            continue
        n++
        printed[id] = 1
        if (what == "NOTE")
            print "| " requirement[id] " | " answer[id] " (" section[id] \
                ") | " shown(id) " |"
        else
            print "| " id " | " strength[id] " (" section[id] "): " \
                requirement[id] " | " answer[id] " | " links(id) " | " \
                shown(id) " |"
    }
    return n
}

function summary(    i, k, id, n, sum, c) {
    print "| RFC | | rows | yes | no | the host's | with a packet script |"
    print "|---|---|---|---|---|---|---|"
    for (i = 1; i <= titles + 1; i++) {
        split("", n)
        for (k = 1; k <= rows; k++) {
            id = row[k]
            if (kind[id] == "NOTE" || (i <= titles && of[id] != order[i]))
                continue
            n["all"]++
            n[yes[id]]++
            n["script"] += scripts[id] != ""
        }
        c = i > titles ? "| all | " : "| " order[i] " | " title[order[i]]
        gsub(/RFC/, "RFC ", c)
        sub(/ALSO/, "others", c)
        print c " | " n["all"] + 0 " | " n["yes"] + 0 " | " n["no"] + 0 \
            " | " n["host"] + 0 " | " n["script"] + 0 " |"
    }
}

function document(    i, skip, what) {
    for (i = 1; i <= doc; i++) {
        if (D[i] == "<!-- end -->")
            skip = 0
        if (!skip)
            print D[i]
        if (D[i] !~ /^<!-- (summary|rows .*) -->$/)
            continue
        skip = 1
        what = D[i]
        sub(/^<!-- (rows )?/, "", what)
        sub(/ -->$/, "", what)
        if (what == "summary")
            summary()
        else if (!table(what))
            complain("rows-well-formed", what "(no rows)")
    }
}

function check(    i, k, id, t, n, found) {
    for (i = 1; i <= rows; i++) {
        id = row[i]
        if (requirement[id] == "" || section[id] == "" || strength[id] == "")
            complain("rows-well-formed", id)
        if (kind[id] == "NOTE") {
            if (yes[id] != "true" && yes[id] != "no")
                complain("answers", id)
        } else if (yes[id] != "yes" && yes[id] != "no" && yes[id] != "host")
            complain("answers", id)
        if (yes[id] != "yes" && yes[id] != "true" && because[id] == "")
            complain("reasons", id)
        if (kind[id] != "NOTE" && yes[id] == "yes" && !wants[id])
            complain("anchors", id "(none)")
        if (wants[id] && !resolve(id, found))
            complain("anchors", id)
        n = split(tests[id], t, " ")
        if (n == 0 && (yes[id] == "yes" || kind[id] == "NOTE"))
            complain("each-has-a-test", id)
        for (k = 1; k <= n; k++)
            if (!there(t[k]))
                complain("tests-exist", id ":" t[k])
        if (kind[id] != "NOTE" && !(of[id] in title))
            complain("rows-well-formed", id "(no title)")
        if (rfc_of[of[id]]++ == 0)
            groups++
    }
}

# What became of a test: ok, FAIL, SKIP or "", and why.
function became(t,    key, file, name, l) {
    why = "it did not run"
    if (t ~ /\.pkt$/)
        key = t
    else {
        file = t
        sub(/:.*/, "", file)
        sub(/\.(c|sh)$/, "", file)
        gsub(/\//, "-", file)
        name = t
        sub(/.*:/, "", name)
        key = file ":" name
    }
    if (key in result) {
        why = reason[key]
        return result[key]
    }
    if ((file in all) && !ran[file, "ok"] && !ran[file, "FAIL"]) {
        why = all[file] # as a whole
        return "SKIP"
    }
    return ""
}

function outcome(    i, k, id, t, n, w, p, bad, skip, fail) {
    for (i = 1; i <= rows; i++) {
        id = row[i]
        n = split(tests[id], t, " ")
        bad = ""
        skip = ""
        for (k = 1; k <= n; k++) {
            w = became(t[k])
            if (w == "SKIP")
                skip = t[k] ": " why
            else if (w != "ok")
                bad = t[k] ": " (w == "FAIL" ? "it failed" : why)
        }
        if (bad != "") {
            print "FAIL " id ": " bad
            fail++
        } else if (skip != "") {
            print "SKIP " id ": " skip
            p["skip"]++
        } else if (n != 0) {
            print "ok " id
            p["ok"]++
        } else if (yes[id] == "yes") {
            print "FAIL " id ": no test shows it"
            fail++
        }
    }
    print p["ok"] + 0 " passed, " fail + 0 " failed, " p["skip"] + 0 \
        " skipped"
    exit fail != 0
}

END {
    if (mode == "doc") {
        document()
        for (i = 1; i <= rows; i++)
            if (!(row[i] in printed)) {
                print "conformance: no table has " row[i] >"/dev/stderr"
                lost = 1
            }
        exit lost + 0
    }
    if (mode == "check")
        check()
    if (mode == "bare")
        for (i = 1; i <= rows; i++)
            if (scripts[row[i]] == "" && kind[row[i]] != "NOTE")
                print row[i] "\t" yes[row[i]] "\t" requirement[row[i]]
    if (mode == "ran")
        outcome()
}
