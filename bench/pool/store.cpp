// SPDX-License-Identifier: MIT
#include "store.hpp"

std::string bench::store::damage(const work &done)
{
    reopen();
    return difference(done);
}

std::string bench::store::difference(const work &done)
{
    for (std::size_t i = 0; i < done.pages(); ++i)
        if (!done.intact(i, page(i))) return "page " + std::to_string(i) + " is not what was committed";
    return {};
}
