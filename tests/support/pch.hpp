// SPDX-License-Identifier: MIT
// Precompiled: what every test includes anyway.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <tm/tm.hpp>
#include <tm/var.hpp>
#include <vector>
