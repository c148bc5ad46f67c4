// SPDX-License-Identifier: MIT
/**
 * @file compare.hpp
 * The states that the crash explorer finds, to be compared with brute force or by hand.
 */
#pragma once

#include "toys.hpp"

#include <gtest/gtest.h>

namespace libtm::test {

/** What the explorer finds is what brute force finds, and each state is opened once. */
inline void expect_the_same(const crash::Recording &recording, const crash::Model &model = {})
{
    const auto legal = crash::legal_states(recording, model), all = crash::brute_force_states(recording, model);
    EXPECT_FALSE(all.empty());
    std::string difference;
    for (const std::string &state : all)
        if (!legal.contains(state)) difference += "missed: " + state + "\n";
    for (const std::string &state : legal)
        if (!all.contains(state)) difference += "not legal: " + state + "\n";
    crash::Options options;
    options.model = model;
    options.bounds.exhaustive = UINT64_MAX;
    options.recoveries = 0;
    const auto report = crash::explore(recording, [](tm_storage *, const crash::Moment &) { return std::string{}; }, options);
    if (report.opened != all.size()) difference += std::to_string(report.opened) + " opened of " + std::to_string(all.size()) + "\n";
    EXPECT_EQ(report.exhausted, report.points);
    EXPECT_GE(report.legal, static_cast<double>(report.opened));
    if (difference.empty()) return;
    for (const crash::Event &event : recording.events) difference += event.text() + "\n";
    ADD_FAILURE() << difference.substr(0, 10000);
}

/** `size` times `value`. */
inline void write(tm_storage *s, int file, std::size_t size, std::uint64_t offset, char value)
{
    const std::string bytes(size, value);
    write_file(s, file, bytes.data(), size, offset);
}

using Texts = std::set<std::string>;

/** Of each state the size of the file "x", and the first byte of each of its sectors. */
inline Texts states_of_x(const crash::Recording &recording)
{
    Texts all;
    crash::explore(recording, [&](tm_storage *s, const crash::Moment &) {
        const int file = s->open(s, "x", TM_STORAGE_READ);
        std::string text = file < 0 ? "none" : "";
        if (file >= 0) {
            const auto bytes = read_file(s, file, 1 << 20, 0);
            for (std::size_t i = 0; i < bytes.size(); i += 512) text += bytes[i] == std::byte{} ? '0' : static_cast<char>(bytes[i]);
            s->close(s, file);
        }
        all.insert(text);
        return std::string{};
    });
    return all;
}

inline crash::Files with_x(const std::string &bytes)
{
    crash::Files files;
    files.put("x", bytes);
    return files;
}

} // namespace libtm::test
