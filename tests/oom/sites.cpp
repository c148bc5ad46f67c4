// SPDX-License-Identifier: MIT
// The call sites of libtm.so: those that were met, and those in its machine code.
#include "sweep.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

namespace libtm::oom {

namespace {

/** The calls of the allocators in the machine code: the addresses behind them; the jumps (from the end of a function), by callee. */
struct Code {
    std::map<std::uintptr_t, Call> calls;
    std::map<Call, unsigned> jumps;
};

const std::map<std::string, Call> callees = {
    {"malloc", Call::malloc},
    {"calloc", Call::calloc},
    {"realloc", Call::realloc},
    {"aligned_alloc", Call::aligned_alloc},
    {"posix_memalign", Call::posix_memalign},
    {"_ZnwmSt11align_val_tRKSt9nothrow_t", Call::operator_new},
    {"mmap", Call::mmap},
    {"mmap64", Call::mmap},
    {"pthread_key_create", Call::key_create},
    {"pthread_setspecific", Call::set_specific},
    {"__cxa_atexit", Call::at_exit},
};

/** The name that a line of objdump has in angle brackets: "<malloc@plt>", "<libtm_function+0x30>"; without what follows the name. */
std::string name_in(const std::string &line)
{
    const std::size_t open = line.find('<'), close = line.find_first_of("@+>", open);
    return open == line.npos || close == line.npos ? std::string() : line.substr(open + 1, close - open - 1);
}

/** Reads the disassembly of the section .text, line by line. */
class Reader {
public:
    void read(const std::string &line)
    {
        char *rest;
        const unsigned long address = std::strtoul(line.c_str(), &rest, 16);
        if (rest == line.c_str()) return;
        if (*rest == ':')
            instruction(address, rest + 1);
        else if (*rest == ' ')
            function_ = name_in(rest);
    }

    /** A function that is inlined wherever it is called is left over: nothing refers to it, and it is not a public one. */
    Code result() const
    {
        Code code;
        for (const Found &found : found_) {
            if (!found.function.starts_with("tm_") && !referred_.contains(found.function)) continue;
            if (found.is_call)
                code.calls[found.behind] = found.call;
            else
                ++code.jumps[found.call];
        }
        return code;
    }

private:
    struct Found {
        std::string function;
        Call call;
        bool is_call;
        std::uintptr_t behind;
    };

    void instruction(std::uintptr_t address, const std::string &text)
    {
        if (calls_) found_.back().behind = address; // the line before was a call
        calls_ = false;
        const std::string name = name_in(text);
        if (!name.empty() && name != function_) referred_.insert(name);
        const auto callee = callees.find(name);
        const std::string mnemonic = text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
        const bool call = mnemonic.starts_with("call") || mnemonic.starts_with("bl");
        const bool jump = mnemonic.starts_with("jmp") || mnemonic.starts_with("b\t");
        if (callee == callees.end() || text.find('@') == text.npos || !(call || jump)) return;
        found_.push_back({function_, callee->second, call, 0});
        calls_ = call;
    }

    std::string function_;
    std::set<std::string> referred_;
    std::vector<Found> found_;
    bool calls_ = false;
};

Code read_code()
{
    std::FILE *const pipe = popen((std::string("objdump -d --no-show-raw-insn -j .text '") + library_path() + "'").c_str(), "r");
    if (!pipe) return {};
    Reader reader;
    char line[4096];
    while (std::fgets(line, sizeof line, pipe)) reader.read(line);
    pclose(pipe);
    return reader.result();
}

} // namespace

unsigned report_sites(bool all_shall_fail)
{
    const Code code = read_code();
    std::map<std::uintptr_t, const Site *> met;
    for (const Site &site : shared->sites)
        if (site.offset) met[site.offset] = &site;

    unsigned wrong = 0;
    std::map<Call, unsigned> behind_jumps;
    for (const auto &[offset, site] : met) {
        if (!code.calls.contains(offset)) ++behind_jumps[site->call];
        if (!site->failed && all_shall_fail) ++wrong;
        std::printf("  %6lx %-19s called %8lu times, failed %6lu%s\n", static_cast<unsigned long>(offset), name_of(site->call),
                    static_cast<unsigned long>(site->all_seen), static_cast<unsigned long>(site->failed), site->failed ? "" : "  NEVER FAILED");
    }
    if (all_shall_fail && code.calls.empty()) {
        std::printf("  objdump shows no calls in %s\n", library_path());
        ++wrong;
    }
    for (const auto &[offset, call] : code.calls)
        if (all_shall_fail && !met.contains(offset)) {
            std::printf("  %6lx %-19s NEVER CALLED\n", static_cast<unsigned long>(offset), name_of(call));
            ++wrong;
        }
    for (const auto &[call, count] : code.jumps)
        if (all_shall_fail && !behind_jumps.contains(call)) {
            std::printf("  %u jumps to %s NEVER MET\n", count, name_of(call));
            ++wrong;
        }
    std::printf("%zu call sites (%zu calls in the machine code of libtm.so)\n", met.size(), code.calls.size());
    return wrong;
}

} // namespace libtm::oom
