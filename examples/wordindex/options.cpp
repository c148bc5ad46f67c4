// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <thread>
#include <tm/tm.h>

namespace wordindex {

namespace {

constexpr char usage[] = "Usage: wordindex [OPTION]... DIR\n";
constexpr char help[] =
    "Count the words in all regular files below DIR, by threads that share one index.\n"
    "A word is a longest run of ASCII letters, folded to lower case; it ends where its file ends.\n"
    "\n"
    "  --mode MODE    how the threads share it: lock (one mutex), wb (transactions, write-back; the default)\n"
    "                 or wt (transactions, write-through)\n"
    "  --threads N    threads that read; default: the processors of the machine\n"
    "  --batch N      different words of a file that are added in one transaction, or under the lock at once; default: 8\n"
    "  --pool FILE    keep the index in FILE, a pool of libtm: a later run goes on where this one was killed. Each file is one\n"
    "                 transaction. One that could not be read is tried again by the next run; one that has changed since is not\n"
    "  --dump FILE    write all words to FILE in order, each after its count, as uniq -c does\n"
    "  --top K        print the K most frequent words: count, number of files, word\n"
    "  --check        check the index for soundness at the end\n"
    "  --no-messages  do not name the files that cannot be read\n"
    "  --progress     show on standard error how far it is\n"
    "  --help, --version\n"
    "\n"
    "Prints one line of figures as name=value. Exit status: 0 if all went well, 2 if a file could not be read (the rest is\n"
    "counted all the same), if the output could not be written, or after a wrong command line.\n";

[[noreturn]] void refuse(const std::string &why)
{
    std::fprintf(stderr, "wordindex: %s\n%sTry 'wordindex --help'.\n", why.c_str(), usage);
    std::exit(trouble);
}

unsigned number(const char *option, const char *text, unsigned least, unsigned most)
{
    unsigned value = 0;
    const char *const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error != std::errc{} || stop != end || value < least || value > most)
        refuse(std::string("--") + option + " takes a number from " + std::to_string(least) + " to " + std::to_string(most) +
               ", not '" + text + "'");
    return value;
}

mode mode_of(const char *text)
{
    for (const mode m : {mode::lock, mode::write_back, mode::write_through})
        if (!std::strcmp(text, name(m))) return m;
    refuse(std::string("--mode is lock, wb or wt, not '") + text + "'");
}

} // namespace

const char *name(mode m)
{
    switch (m) {
    case mode::lock: return "lock";
    case mode::write_back: return "wb";
    case mode::write_through: return "wt";
    }
    return "?";
}

options parse(int argc, char **argv)
{
    enum { mode_ = 1, threads, batch, pool, dump, top, check, no_messages, progress, help_, version };
    static const option table[] = {
        {"mode", required_argument, nullptr, mode_},  {"threads", required_argument, nullptr, threads},
        {"batch", required_argument, nullptr, batch}, {"pool", required_argument, nullptr, pool}, {"dump", required_argument, nullptr, dump},
        {"top", required_argument, nullptr, top},     {"check", no_argument, nullptr, check},
        {"no-messages", no_argument, nullptr, no_messages}, {"progress", no_argument, nullptr, progress},
        {"help", no_argument, nullptr, help_}, {"version", no_argument, nullptr, version}, {nullptr, 0, nullptr, 0},
    };
    options result;
    bool has_batch = false;
    result.threads = std::clamp(std::thread::hardware_concurrency(), 1U, 1024U);
    for (int c; (c = getopt_long(argc, argv, "", table, nullptr)) != -1;)
        switch (c) {
        case mode_: result.mode = mode_of(optarg); break;
        case threads: result.threads = number("threads", optarg, 1, 1024); break;
        case batch:
            result.batch = number("batch", optarg, 1, 1000000);
            has_batch = true;
            break;
        case pool:
            result.pool = optarg;
            if (result.pool.empty()) refuse("--pool takes the name of a file");
            break;
        case top: result.top = number("top", optarg, 0, 1000000); break;
        case dump: result.dump = optarg; break;
        case check: result.check = true; break;
        case no_messages: result.messages = false; break;
        case progress: result.progress = true; break;
        case help_: std::printf("%s%s", usage, help); std::exit(0);
        case version: std::puts("wordindex (libtm) " TM_VERSION); std::exit(0);
        default: std::fprintf(stderr, "%sTry 'wordindex --help'.\n", usage); std::exit(trouble); // getopt has said why
        }
    if (optind == argc) refuse("the directory is missing");
    if (optind + 1 < argc) refuse(std::string("one directory, please; what is '") + argv[optind + 1] + "'?");
    result.directory = argv[optind];
    if (!result.pool.empty() && result.mode == mode::lock) refuse("--pool needs transactions: --mode wb or wt");
    if (!result.pool.empty() && has_batch) refuse("--batch is not for --pool, where each file is one transaction");
    return result;
}

} // namespace wordindex
