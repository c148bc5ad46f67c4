// SPDX-License-Identifier: MIT
/** The libraries whose headers take the time of the build. */
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
