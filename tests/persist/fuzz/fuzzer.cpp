// SPDX-License-Identifier: MIT
// The entry points for libFuzzer.
#include "mutate.hpp"
#include "property.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t *data, std::size_t size, std::size_t most);

namespace {

using namespace libtm::fuzz;

/** The code of `files` to `data`; 0 if it does not fit. */
std::size_t put(const Files &files, std::uint8_t *data, std::size_t most)
{
    const std::vector<unsigned char> code = encode(files);
    if (code.size() > most) return 0;
    std::copy(code.begin(), code.end(), data);
    return code.size();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static Totals totals;
    const std::string wrong = try_files(decode(data, size), totals);
    if (wrong.empty()) return 0;
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t *data, std::size_t size, std::size_t most, unsigned seed)
{
    Random random(seed);
    Files files = random.one_in(200) ? compose(random) : decode(data, size);
    do {
        if (random.one_in(4)) mutate_raw(files, random, [](char *bytes, std::size_t count) { LLVMFuzzerMutate(reinterpret_cast<std::uint8_t *>(bytes), count, count); });
        else mutate(files, random);
    } while (random.one_in(3));
    const std::size_t changed = put(files, data, most);
    return changed ? changed : size;
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t *data1, std::size_t size1, const std::uint8_t *data2, std::size_t size2, std::uint8_t *out, std::size_t most, unsigned seed)
{
    Random random(seed);
    return put(mix(decode(data1, size1), decode(data2, size2), random), out, most);
}
