// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include "engine_state.hpp"
#include "heap.hpp"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <map>
#include <sstream>

namespace libtm::explore {

namespace {

struct Named {
    std::size_t size;
    std::string name;
};
/** By address. */
std::map<std::uintptr_t, Named> &named()
{
    static std::map<std::uintptr_t, Named> all;
    return all;
}

std::string hexadecimal(std::uint64_t value)
{
    char text[32];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

std::string name_of(std::uintptr_t addr)
{
    for (const auto &[begin, what] : named())
        if (addr >= begin && addr < begin + what.size) return what.name + (addr == begin ? "" : "+" + std::to_string(addr - begin));
    if (const std::string name = engine_state::name_of(addr); !name.empty()) return name;
    if (const std::string name = heap::name_of(addr); !name.empty()) return name;
    return hexadecimal(addr);
}

std::string value_of(std::uintptr_t addr, std::uint64_t value)
{
    if (const std::string name = heap::name_of(value); !name.empty()) return name;
    return engine_state::value_of(addr, value);
}

/** Source lines of code addresses, asked of addr2line in one go. */
class Lines {
public:
    void want(const void *pc) { lines_[pc]; }
    void look_up()
    {
        std::map<std::string, std::vector<const void *>> files;
        for (const auto &[pc, line] : lines_)
            if (Dl_info info; dladdr(pc, &info) && info.dli_fname) files[info.dli_fname].push_back(pc);
        for (const auto &[file, pcs] : files) ask(file, pcs);
    }
    const std::string &operator[](const void *pc) { return lines_[pc]; }

private:
    void ask(const std::string &file, const std::vector<const void *> &pcs)
    {
        std::string command = "addr2line -a -i -e '" + file + "'";
        for (const void *const pc : pcs) {
            Dl_info info;
            link_map *map = nullptr;
            dladdr1(pc, &info, reinterpret_cast<void **>(&map), RTLD_DL_LINKMAP);
            command += " " + hexadecimal(reinterpret_cast<std::uintptr_t>(pc) - 1 - (map ? map->l_addr : 0));
        }
        std::FILE *const answer = popen((command + " 2>/dev/null").c_str(), "r");
        if (!answer) return;
        char line[1024];
        std::size_t at = 0;
        while (std::fgets(line, sizeof line, answer)) {
            if (line[0] == '0' && line[1] == 'x') { // the next address; its innermost line of interest follows
                ++at;
            } else if (at && at <= pcs.size() && !std::strstr(line, "/include/c++/") && !std::strstr(line, "memory.hpp")) {
                std::string &found = lines_[pcs[at - 1]];
                const char *const slash = std::strrchr(line, '/');
                if (found.empty()) found.assign(slash ? slash + 1 : line, std::strcspn(slash ? slash + 1 : line, " \n"));
            }
        }
        pclose(answer);
    }
    std::map<const void *, std::string> lines_;
};

} // namespace

void name_memory(const void *addr, std::size_t size, const char *name)
{
    named()[reinterpret_cast<std::uintptr_t>(addr)] = {size, name};
}

namespace {

void print(std::ostringstream &out, const Event &e, const std::string &line)
{
    static constexpr const char *verbs[] = {"load", "store", "modify", "no exchange", "plain load", "plain store", "waits", "ends"};
    char head[64];
    std::snprintf(head, sizeof head, "%5u  %*sthread %u  %-12s", e.place, static_cast<int>(e.thread) * 4, "", e.thread, verbs[e.kind]);
    out << head;
    if (e.kind != Event::wait && e.kind != Event::end) {
        out << name_of(e.addr);
        if (e.kind < Event::plain_read) out << "  " << value_of(e.addr, e.value);
        if (e.kind == Event::modify) out << " -> " << value_of(e.addr, e.after);
        if (e.back) out << " (" << e.back << " before the last)";
    }
    if (e.pc) out << "  [" << line << "]";
    out << '\n';
}

} // namespace

std::string Trace::text(Memory &memory) const
{
    constexpr std::size_t most_lines = 300; // from the end; a livelock is long and says the same again and again
    std::vector<const Event *> shown;
    for (const Event &e : events_)
        if (e.kind >= Event::plain_read || &e == &events_.back() || memory.cell(e.addr).matters(e.thread, e.kind == Event::store || e.kind == Event::modify))
            shown.push_back(&e);
    const std::size_t first = shown.size() > most_lines ? shown.size() - most_lines : 0;
    Lines lines;
    for (std::size_t i = first; i < shown.size(); ++i)
        if (shown[i]->pc) lines.want(shown[i]->pc);
    lines.look_up();
    std::ostringstream out;
    if (first) out << "... " << first << " events before\n";
    for (std::size_t i = first; i < shown.size(); ++i) print(out, *shown[i], lines[shown[i]->pc]);
    return out.str();
}

} // namespace libtm::explore
