// SPDX-License-Identifier: MIT
#include "content.hpp"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

namespace libtm::crash {

Files::Files() : data(std::make_shared<FilesData>()) {}

void Files::put(const std::string &path, std::span<const std::byte> bytes)
{
    auto changed = std::make_shared<FilesData>(*data);
    const auto [name, is_new] = changed->names.try_emplace(path, changed->next);
    if (is_new) ++changed->next;
    Content content;
    content.write(bytes.data(), bytes.size(), 0);
    changed->contents[name->second] = content;
    data = std::move(changed);
}

void Files::put(const std::string &path, std::string_view bytes)
{
    put(path, std::as_bytes(std::span(bytes.data(), bytes.size())));
}

std::vector<std::string> Files::paths() const
{
    std::vector<std::string> all;
    for (const auto &[path, number] : data->names) all.push_back(path);
    return all;
}

bool Files::has(const std::string &path) const
{
    return data->names.contains(path);
}

std::vector<std::byte> Files::read(const std::string &path) const
{
    const auto found = data->names.find(path);
    if (found == data->names.end()) return {};
    const Content &content = data->contents.at(found->second);
    std::vector<std::byte> bytes(content.size());
    content.read(bytes.data(), bytes.size(), 0);
    return bytes;
}

std::string Files::text() const
{
    // A plain hash of all bytes, not Content::hash(): the enumerators are compared by it, so it should share little with them.
    std::string all;
    std::map<std::uint64_t, std::string> first;
    for (const auto &[path, number] : data->names) {
        std::uint64_t a = 0xcbf29ce484222325, b = 0x84222325cbf29ce4;
        const std::vector<std::byte> bytes = read(path);
        for (std::size_t i = 0; i < bytes.size(); i += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
            a = (a ^ word) * 0x100000001b3;
            b = (b ^ word) * 0x5851f42d4c957f2d;
            a ^= a >> 29;
            b ^= b >> 31;
        }
        char line[128];
        std::snprintf(line, sizeof line, " %zu bytes %016" PRIx64 "%016" PRIx64, bytes.size(), a, b);
        all += (all.empty() ? "" : ", ") + path + line;
        const auto [other, is_new] = first.try_emplace(number, path);
        if (!is_new) all += " = " + other->second;
    }
    return all.empty() ? "no files" : all;
}

void Files::save(const std::string &where) const
{
    for (const auto &[path, number] : data->names) {
        std::string name = path;
        std::replace(name.begin(), name.end(), '/', '_');
        name = where + "/" + name;
        const std::vector<std::byte> bytes = read(path);
        const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file < 0) throw std::system_error(errno, std::generic_category(), name);
        for (std::size_t done = 0; done < bytes.size();) {
            const ssize_t n = ::write(file, bytes.data() + done, bytes.size() - done);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) {
                const int error = errno;
                close(file);
                throw std::system_error(error, std::generic_category(), name);
            }
            done += static_cast<std::size_t>(n);
        }
        close(file);
    }
}

std::string Event::text() const
{
    const auto which = [&] { return path + " (file " + std::to_string(file) + ")"; };
    switch (kind) {
    case create: return "create " + which();
    case create_unnamed: return "create a file without a name for " + which();
    case name: return "name file " + std::to_string(file) + " " + path;
    case remove: return "remove " + which();
    case rename: return "rename " + which() + " to " + to;
    case write: return "write " + which() + ": " + std::to_string(size) + " bytes at " + std::to_string(offset);
    case truncate: return "truncate " + which() + " to " + std::to_string(size) + " bytes";
    case reserve: return "reserve " + which() + ": " + std::to_string(size) + " bytes at " + std::to_string(offset);
    case sync: return "sync " + which() + (result ? ": failed with error " + std::to_string(-result) : "");
    case sync_directory: return "sync directory " + path + (result ? ": failed with error " + std::to_string(-result) : "");
    case mark: return "-- " + path + " " + std::to_string(offset);
    }
    return {};
}

} // namespace libtm::crash
