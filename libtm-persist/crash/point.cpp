// SPDX-License-Identifier: MIT
#include "point.hpp"

#include "point_file.hpp"

#include <algorithm>
#include <charconv>

namespace libtm::crash {
namespace {

constexpr std::size_t most_namings = 1024;

Hash hash_text(std::string_view text)
{
    Hash h{text.size() + 1, ~text.size()};
    for (const char c : text) {
        h.a = fold(h.a ^ static_cast<unsigned char>(c) ^ 0x2d358dccaa6c78a5, 0x8bb84b93962eacc9);
        h.b = fold(h.b ^ static_cast<unsigned char>(c) ^ 0x4b33a62ed433d4a3, 0x4d5a2da51de1aa47);
    }
    return h;
}

Hash mix(const Hash &x, const Hash &y)
{
    return {fold(x.a ^ 0xe7037ed1a0b428db, y.a ^ 0x589965cc75374cc3), fold(x.b ^ 0x1d8e4e27c47d124f, y.b ^ 0xeb44accab455d165)};
}

} // namespace

Point::Point(const Pending &pending, std::uint32_t event, std::uint64_t next_file)
    : event_(event), next_file_(next_file), namings_(pending.names.alternatives(most_namings, complete_)), pending_names_(pending.names.pending())
{
    values_.push_back(static_cast<std::uint32_t>(namings_.size()));
    std::set<std::uint64_t> numbers;
    for (const Names::Alternative &naming : namings_)
        for (const auto &[path, number] : naming.names) numbers.insert(number);
    for (const std::uint64_t number : numbers) {
        PointFile file = make_point_file(number, pending.files.at(number));
        file.first = variables_;
        variables_ += 1 + file.sectors.size();
        values_.push_back(static_cast<std::uint32_t>(file.sizes.size()));
        for (const PointFile::Sector &sector : file.sectors) values_.push_back(static_cast<std::uint32_t>(sector.most));
        files_.push_back(std::move(file));
    }
}

const Names::Alternative &Point::naming(const Choice &choice) const
{
    return namings_[std::min<std::size_t>(choice[0], namings_.size() - 1)];
}

const PointFile *Point::file(std::uint64_t number) const
{
    return &*std::lower_bound(files_.begin(), files_.end(), number, [](const PointFile &f, std::uint64_t n) { return f.number < n; });
}

std::vector<const PointFile *> Point::visible(const Names::Alternative &naming) const
{
    std::set<std::uint64_t> numbers;
    for (const auto &[path, number] : naming.names) numbers.insert(number);
    std::vector<const PointFile *> all;
    for (const std::uint64_t number : numbers) all.push_back(file(number));
    return all;
}

Choice Point::newest() const
{
    Choice choice(variables_);
    for (std::size_t v = 0; v < variables_; ++v) choice[v] = values_[v] - 1;
    return choice;
}

Hash Point::hash(const Choice &choice) const
{
    Hash all;
    const Naming &names = naming(choice).names;
    for (auto i = names.begin(); i != names.end(); ++i) {
        const PointFile &f = *file(i->second);
        const std::uint64_t size = f.size(choice).size;
        const Hash path = hash_text(i->first);
        all += mix(path, mix(f.hash(choice), {size, size}));
        // Two names of one file are not two equal files.
        const auto first = std::find_if(names.begin(), i, [&](const auto &other) { return other.second == i->second; });
        if (first != i) all += mix(hash_text(first->first), path);
    }
    return all;
}

Files Point::build(const Choice &choice) const
{
    auto data = std::make_shared<FilesData>();
    data->names = naming(choice).names;
    data->next = next_file_;
    for (const auto &[path, number] : data->names)
        if (!data->contents.contains(number)) data->contents[number] = file(number)->build(choice);
    Files files;
    files.data = std::move(data);
    return files;
}

double Point::count() const
{
    double all = 0;
    for (const Names::Alternative &naming : namings_) {
        if (naming.repeat) continue;
        double product = 1;
        for (const PointFile *const f : visible(naming)) {
            double of_file = 0;
            for (const PointFile::Size &size : f->sizes) {
                if (size.repeat) continue;
                double of_size = 1;
                for (std::size_t i = 0; i < size.visible; ++i) {
                    const std::vector<Value> &values = f->sectors[i].values[size.version];
                    of_size *= static_cast<double>(std::count_if(values.begin(), values.end(), [](const Value &v) { return !v.repeat; }));
                }
                of_file += of_size;
            }
            product *= of_file;
        }
        all += product;
    }
    return all;
}

bool Point::each(const Visit &visit) const
{
    Choice choice(variables_);
    std::vector<const PointFile *> shown;
    const auto next_file = [&](std::size_t f, const auto &self) -> bool {
        if (f == shown.size()) return visit(choice);
        const PointFile &file = *shown[f];
        const auto next_sector = [&](const PointFile::Size &size, std::size_t s, const auto &again) -> bool {
            if (s == size.visible) return self(f + 1, self);
            std::uint32_t &value = choice[file.first + 1 + s];
            const std::vector<Value> &values = file.sectors[s].values[size.version];
            for (value = 0; value < values.size(); ++value)
                if (!values[value].repeat && !again(size, s + 1, again)) return false;
            value = 0;
            return true;
        };
        std::uint32_t &size = choice[file.first];
        for (size = 0; size < file.sizes.size(); ++size)
            if (!file.sizes[size].repeat && !next_sector(file.sizes[size], 0, next_sector)) return false;
        size = 0;
        return true;
    };
    for (choice[0] = 0; choice[0] < namings_.size(); ++choice[0]) {
        if (namings_[choice[0]].repeat) continue;
        shown = visible(namings_[choice[0]]);
        if (!next_file(0, next_file)) return false;
    }
    return true;
}

std::string Point::encode(const Choice &choice) const
{
    std::string word = std::to_string(event_) + ':';
    for (std::size_t v = 0; v < choice.size();) {
        std::size_t end = v + 1;
        while (end < choice.size() && choice[end] == choice[v]) ++end;
        if (v) word += '.';
        word += std::to_string(choice[v]);
        if (end - v > 1) word += 'x' + std::to_string(end - v);
        v = end;
    }
    return word;
}

std::optional<Choice> Point::decode(std::string_view word) const
{
    Choice choice;
    word.remove_prefix(std::min(word.size(), word.find(':') + 1));
    const char *at = word.data(), *const end = at + word.size();
    while (at < end) {
        std::uint32_t value = 0;
        std::size_t times = 1;
        auto parsed = std::from_chars(at, end, value);
        if (parsed.ec != std::errc{}) return {};
        if (parsed.ptr < end && *parsed.ptr == 'x') {
            const auto count = std::from_chars(parsed.ptr + 1, end, times);
            if (count.ec != std::errc{}) return {};
            parsed.ptr = count.ptr;
        }
        if (times > variables_ - choice.size()) return {};
        choice.insert(choice.end(), times, value);
        if (parsed.ptr < end && *parsed.ptr++ != '.') return {};
        at = parsed.ptr;
    }
    return choice.size() == variables_ ? std::optional(choice) : std::nullopt;
}

} // namespace libtm::crash
