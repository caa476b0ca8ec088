// SPDX-License-Identifier: MIT
#include "backend/socket/state_file.h"

#include "lib/base/log.h"

namespace socketd {

namespace {

std::string unusable(Part part, const std::string& path, const std::string& why) {
  return "the state " + path + " cannot be used: " + why + ". It is left as it is. " +
         (part == Part::Permanent ? "Restore it from a backup; or, to begin with a new TPM without the keys of this "
                                    "one, move the file away "
                                    "or give another --state"
                                  : "Move it away to have the TPM begin with TPM_Startup, as after a loss of power");
}

}  // namespace

Or<StateFile> StateFile::open(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return "--state " + path + " does not name a file";
  auto directory = vault::Directory::open(folder, false);
  if (!directory.ok()) return "--state: " + folder + ": " + directory.error().text() + "; make the directory first";
  auto lock = directory.value().lock(name + ".lock");
  if (!lock.ok()) return "--state: " + path + ".lock: " + lock.error().text();
  if (!lock.value()) return "the state " + path + " is in use by another vtpm-socketd; end that one first";
  return StateFile(path, name, std::move(directory).take(), std::move(*std::move(lock).take()));
}

Or<std::optional<base::Bytes>> StateFile::read(Part part) const {
  auto content = directory_.read(name_ + suffix(part));
  if (!content.ok()) return unusable(part, path(part), content.error().text());
  if (!content.value()) return std::optional<base::Bytes>();
  auto state = unpack(part, *content.value());
  if (!state.ok()) return unusable(part, path(part), state.error());
  return std::optional(std::move(state).take());
}

bool StateFile::write(Part part, base::View state) const {
  auto written = directory_.write(name_ + suffix(part), pack(part, state));
  if (!written.ok()) base::log(base::Level::Error, path(part) + ": " + written.error().text() + "; the command fails");
  return written.ok();
}

bool StateFile::remove(Part part) const {
  auto removed = directory_.remove(name_ + suffix(part));
  if (!removed.ok()) base::log(base::Level::Error, path(part) + ": " + removed.error().text());
  return removed.ok();
}

}  // namespace socketd
