// SPDX-License-Identifier: MIT
/**
 * @file output.hpp
 * What a command has to say: one document, printed as JSON or as text, and its failures with their exit status.
 */
#pragma once

#include "failure.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace libtm::tmpool {

using persist::Failure;
using Json = nlohmann::ordered_json;

/** Exit statuses, as the man page has them. */
enum Status {
    fine = 0,
    wrong = 1,  ///< with the pool: not one, of another kind, damaged
    usage = 2,  ///< of the tool
    system = 3, ///< call that failed, or memory
    in_use = 4, ///< by another process
};

/** What a command found. */
struct Result {
    Json document;
    int status = fine;
    std::string text = {}; ///< instead of the document where that is not asked for as JSON
};

/** The exit status for an errno value of a Failure. */
int status_of(int code);

Json to_json(const Failure &failure);
/** An errno value by its name. */
std::string name_of(int code);

/** Print to standard output; throws Failure if that does not take it. */
void print(const Result &result, bool as_json);
/** To standard error, or as JSON to standard output. Returns the exit status. */
int complain(const Failure &failure, bool as_json);

/** Throw what tm_pool_error() has. */
[[noreturn]] void throw_last();

} // namespace libtm::tmpool
