// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tmpool: makes pools, looks into them and at them from outside. The arguments; the commands are in files of their names.
 */
#include "commands.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <functional>
#include <new>

namespace {

using namespace libtm::tmpool;

/** The arguments of all commands. */
struct Arguments {
    std::string path, to;
    std::uint64_t size = 0;
    CreateOptions create;
    LogOptions log;
    DumpOptions dump;
    bool json = false;
    std::function<Result()> run; ///< the command that was given
};

/** Sizes are bytes, or have a suffix: 64K, 10M, 1G. */
const CLI::AsSizeValue as_size(false);

CLI::App *add(CLI::App &app, Arguments &given, const char *name, const char *does, std::function<Result()> run)
{
    CLI::App *const command = app.add_subcommand(name, does);
    command->add_flag("--json", given.json, "Print JSON");
    command->callback([&given, run = std::move(run)] { given.run = run; });
    return command;
}

/** One that has a pool for its first argument. */
CLI::App *add_with_file(CLI::App &app, Arguments &given, std::string &path, const char *name, const char *does, std::function<Result()> run)
{
    CLI::App *const command = add(app, given, name, does, std::move(run));
    command->add_option("FILE", path, "The pool")->required();
    return command;
}

CLI::Option *add_size(CLI::App *command, const char *name, std::uint64_t &size, const char *what)
{
    return command->add_option(name, size, what)->transform(as_size)->type_name("SIZE");
}

void add_commands(CLI::App &app, Arguments &given)
{
    CLI::App *const create_command = add_with_file(app, given, given.create.path, "create", "Make an empty pool", [&] { return create(given.create); });
    add_size(create_command, "SIZE", given.create.size, "Bytes of memory, or with K, M, G, T")->required();
    create_command->add_option("--layout", given.create.layout, "What the memory means: a name and, after a colon, a version")->type_name("NAME[:VERSION]");
    create_command->add_option("--base", given.create.base, "Where programs map it, a multiple of the page size")->type_name("ADDRESS");
    add_size(create_command, "--reserve", given.create.reserve, "Address space to grow into");

    add_with_file(app, given, given.path, "info", "Say what a pool is: its headers, its journal, who has it open", [&] { return info(given.path); });
    add_with_file(app, given, given.path, "check", "Prove headers, journal and roots, and read every byte", [&] { return check(given.path); });

    CLI::App *const dump_command = add_with_file(app, given, given.dump.path, "dump", "Print the last committed state", [&] {
        given.dump.json = given.json;
        return dump(given.dump);
    });
    CLI::Option *const page = dump_command->add_option("--page", given.dump.page, "One page of the image; the memory begins at page 1")->type_name("NUMBER");
    dump_command->add_option("--offset", given.dump.offset, "Where in the image to begin")->type_name("BYTE")->excludes(page);
    dump_command->add_option("--size", given.dump.size, "How much; the default is all")->transform(as_size)->type_name("SIZE")->excludes(page);
    dump_command->add_flag("--raw", given.dump.raw, "The bytes themselves");

    CLI::App *const log_command = add_with_file(app, given, given.log.path, "log", "List the groups of the journal", [&] { return log(given.log); });
    log_command->add_flag("--frames", given.log.frames, "List the frames of each, too");
    log_command->add_flag("--all", given.log.all, "Also groups that do not count, or not any more");

    add_with_file(app, given, given.path, "recover", "Replay the journal and close the pool", [&] { return recover(given.path); });

    CLI::App *const backup_command = add(app, given, "backup", "Copy the last committed state to a new pool", [&] { return backup(given.path, given.to); });
    backup_command->add_option("FROM", given.path, "The pool; it may be in use")->required();
    backup_command->add_option("TO", given.to, "The new one")->required();

    CLI::App *const resize_command = add_with_file(app, given, given.path, "resize", "Make a pool larger", [&] { return resize(given.path, given.size); });
    add_size(resize_command, "SIZE", given.size, "Bytes of memory, or with K, M, G, T")->required();

    add_with_file(app, given, given.path, "stat", "Say what a pool takes, and how changes would be found here", [&] { return stat(given.path); });
}

} // namespace

int main(int argc, char **argv)
{
    CLI::App app{"Make pools of libtm, look into them, and copy them.\n"
                 "Exit status: 0 fine, 1 something is wrong with the pool, 2 usage, 3 the system failed, 4 the pool is in use."};
    app.name("tmpool"); // however it was called
    app.set_version_flag("--version", "tmpool " TMPOOL_VERSION);
    app.require_subcommand(1);
    Arguments given;
    try {
        add_commands(app, given);
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? fine : usage; // help and version are errors to CLI
    }
    try {
        const Result result = given.run();
        print(result, given.json);
        return result.status;
    } catch (const Failure &failure) {
        return complain(failure, given.json);
    } catch (const std::bad_alloc &) {
        return complain(Failure{ENOMEM, {}, "memory", 0, {}, {}, {}}, given.json);
    }
}
