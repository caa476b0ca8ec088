// SPDX-License-Identifier: MIT
// late_boot KERNEL on|off: makes a kernel's PVH entry suspend its own domain before anything else, and boot only when it
// runs on: what is saved then looks like a new boot, and what is restored from it is one. The place of the code is the
// PV entry, which nobody needs meanwhile. Prints what it changed.

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace {

// Of Xen's public headers: the notes of a kernel.
constexpr uint32_t kPvEntry = 1, kPvhEntry = 18;

template <class T>
T at(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

uint8_t* note(uint8_t* file, const Elf64_Phdr& notes, uint32_t type) {
  uint8_t* p = file + notes.p_offset;
  for (uint8_t* end = p + notes.p_filesz; p < end;) {
    auto header = at<Elf64_Nhdr>(p);
    uint8_t* name = p + sizeof header;
    uint8_t* text = name + (header.n_namesz + 3) / 4 * 4;
    if (header.n_type == type && std::memcmp(name, "Xen", 4) == 0) return text;
    p = text + (header.n_descsz + 3) / 4 * 4;
  }
  return nullptr;
}

// mov ebx aside; eax = sched_op, ebx = shutdown, ecx = &reason; vmmcall; ebx back; jmp entry; reason: suspend.
std::vector<uint8_t> code(uint32_t place, uint32_t entry) {
  std::vector<uint8_t> bytes = {0x89, 0xde, 0x31, 0xc0, 0xb0, 29, 0x31, 0xdb, 0xb3, 2, 0xb9, 0, 0, 0, 0,
                                0x0f, 0x01, 0xd9, 0x89, 0xf3, 0xe9, 0,    0,    0,    0, 2,    0, 0, 0};
  uint32_t reason = place + 25, relative = entry - reason;
  std::memcpy(&bytes[11], &reason, sizeof reason);
  std::memcpy(&bytes[21], &relative, sizeof relative);
  return bytes;
}

struct Kernel {
  uint8_t* pv_code;  // in the file
  uint32_t place;    // in memory
  uint8_t* pvh_entry;
};
std::optional<Kernel> find(uint8_t* file) {
  auto header = at<Elf64_Ehdr>(file);
  std::vector<Elf64_Phdr> parts(header.e_phnum);
  std::memcpy(parts.data(), file + header.e_phoff, parts.size() * sizeof(Elf64_Phdr));
  uint8_t *pv = nullptr, *pvh = nullptr;
  for (const Elf64_Phdr& part : parts) {
    if (part.p_type == PT_NOTE) pv = note(file, part, kPvEntry), pvh = note(file, part, kPvhEntry);
  }
  if (pv == nullptr || pvh == nullptr) return std::nullopt;
  auto address = at<uint64_t>(pv);
  for (const Elf64_Phdr& part : parts) {
    if (part.p_type != PT_LOAD || address < part.p_vaddr || address >= part.p_vaddr + part.p_filesz) continue;
    uint64_t within = address - part.p_vaddr;
    return Kernel{file + part.p_offset + within, static_cast<uint32_t>(part.p_paddr + within), pvh};
  }
  return std::nullopt;
}

// The original bytes lie beside the kernel while it is changed.
int change(Kernel kernel, const std::string& saved, bool on) {
  auto entry = at<uint32_t>(kernel.pvh_entry);
  std::vector<uint8_t> bytes = code(kernel.place, entry), before(bytes.size());
  FILE* keep = std::fopen(saved.c_str(), on ? "wx" : "r");
  if (keep == nullptr) return std::perror(saved.c_str()), 1;
  if (on) {
    std::fwrite(kernel.pv_code, 1, bytes.size(), keep);
    std::fwrite(&entry, 1, sizeof entry, keep);
    std::memcpy(kernel.pv_code, bytes.data(), bytes.size());
    entry = kernel.place;
  } else {
    if (std::fread(before.data(), 1, before.size(), keep) + std::fread(&entry, 1, sizeof entry, keep) !=
        before.size() + sizeof entry) {
      return std::fputs("late_boot: the saved bytes are cut\n", stderr), 1;
    }
    std::memcpy(kernel.pv_code, before.data(), before.size());
    std::remove(saved.c_str());
  }
  std::memcpy(kernel.pvh_entry, &entry, sizeof entry);
  std::printf("PVH entry at %#x\n", entry);
  return std::fclose(keep);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: late_boot KERNEL on|off\n", stderr), 2;
  int fd = ::open(argv[1], O_RDWR | O_CLOEXEC);
  struct stat about {};
  if (fd < 0 || ::fstat(fd, &about) != 0) return std::perror(argv[1]), 1;
  void* file = ::mmap(nullptr, static_cast<size_t>(about.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (file == MAP_FAILED) return std::perror(argv[1]), 1;
  auto kernel = find(static_cast<uint8_t*>(file));
  if (!kernel) return std::fputs("late_boot: this kernel has no PV and PVH entries\n", stderr), 1;
  return change(*kernel, std::string(argv[1]) + ".entries", std::string(argv[2]) == "on");
}
