// SPDX-License-Identifier: MIT
#include "support.hpp"

#include <cstdio>
#include <cstdlib>

namespace libtm::test {

void (*on_hopeless_wait)() = nullptr;

bool under_tsan()
{
#if defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

bool under_asan()
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#else
    return false;
#endif
}

std::uint64_t scaled(std::uint64_t count)
{
    static const double scale = [] {
        const char *const text = std::getenv("TM_TEST_SCALE");
        if (text) return std::atof(text);
        return under_tsan() ? 0.1 : under_asan() ? 0.2 : 1.0;
    }();
    return static_cast<std::uint64_t>(static_cast<double>(count) * scale) + 1;
}

std::string option(const char *name)
{
    char buf[64];
    if (tm_config_get(name, buf, sizeof buf) < 0) return {};
    return buf;
}

long number_option(const char *name) { return std::atol(option(name).c_str()); }

} // namespace libtm::test
