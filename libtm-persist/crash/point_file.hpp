// SPDX-License-Identifier: MIT
#pragma once

#include "point.hpp"

namespace libtm::crash {

/** As Operation::event and Value::event: before the recording. */
inline constexpr std::uint32_t no_event = UINT32_MAX;

/** The variables of a file, but for their number. */
PointFile make_point_file(std::uint64_t number, const PendingFile &file);

} // namespace libtm::crash
