// SPDX-License-Identifier: MIT

#include "tests/clients/tspi/session.h"
#include "tests/engine/tpm_client.h"

namespace tspi {
namespace {

constexpr UINT32 kPcr = 9;

void set_mode(const Session& session, UINT32 mode) {
  must(Tspi_SetAttribUint32(session.context, TSS_TSPATTRIB_CONTEXT_TRANSPORT, TSS_TSPATTRIB_CONTEXTTRANS_MODE, mode),
       "set a mode of transport");
}

void set_enabled(const Session& session, UINT32 control) {
  must(Tspi_SetAttribUint32(session.context, TSS_TSPATTRIB_CONTEXT_TRANSPORT, TSS_TSPATTRIB_CONTEXTTRANS_CONTROL,
                            control),
       "enable transport");
}

// A context of its own, whose commands are wrapped from now on.
struct Wrapped {
  Wrapped(const std::string& port, std::initializer_list<UINT32> modes) : session(port) {
    // With a secret libtspi would wait for its own lock when the session ends.
    signer = session.make_key(TSS_KEY_TYPE_SIGNING | TSS_KEY_NOT_MIGRATABLE, TSS_KEY_NO_AUTHORIZATION);
    key = session.make_key(TSS_KEY_TYPE_SIGNING | TSS_KEY_NOT_MIGRATABLE);
    TSS_HKEY carrier = session.make_key(TSS_KEY_TYPE_STORAGE | TSS_KEY_NOT_MIGRATABLE);
    must(Tspi_Context_SetTransEncryptionKey(session.context, carrier), "Tspi_Context_SetTransEncryptionKey");
    for (UINT32 mode : modes) set_mode(session, mode);
    set_enabled(session, TSS_TSPATTRIB_ENABLE_TRANSPORT);
  }
  ~Wrapped() { Tspi_Context_Close(session.context); }
  Wrapped(const Wrapped&) = delete;
  Wrapped& operator=(const Wrapped&) = delete;

  Session session;
  TSS_HKEY signer = 0;
  TSS_HKEY key = 0;
};

TSS_RESULT read_pcr(const Session& session, Bytes& value) {
  UINT32 size = 0;
  BYTE* data = nullptr;
  TSS_RESULT result = Tspi_TPM_PcrRead(session.tpm, kPcr, &size, &data);
  if (result == TSS_SUCCESS) value = Bytes(data, data + size);
  return result;
}

TSS_RESULT extend(const Session& session, Bytes event, Bytes& value) {
  UINT32 size = 0;
  BYTE* data = nullptr;
  TSS_RESULT result = Tspi_TPM_PcrExtend(session.tpm, kPcr, 20, event.data(), nullptr, &size, &data);
  if (result == TSS_SUCCESS) value = Bytes(data, data + size);
  return result;
}

UINT32 free_transports(const Session& session) {
  UINT32 size = 0, property = TSS_TPMCAP_PROP_TRANSESSIONS;
  BYTE* data = nullptr;
  must(Tspi_TPM_GetCapability(session.tpm, TSS_TPMCAP_PROPERTY, sizeof property,
                              static_cast<BYTE*>(static_cast<void*>(&property)), &size, &data),
       "Tspi_TPM_GetCapability");
  UINT32 number = 0;
  if (size == sizeof number) std::copy(data, data + size, static_cast<BYTE*>(static_cast<void*>(&number)));
  return number;
}

void test_encrypted(const std::string& port, const Session& plain, UINT32 before) {
  Wrapped wrapped(port, {TSS_TSPATTRIB_TRANSPORT_DEFAULT_ENCRYPTION});
  Bytes old, extended, seen, event(20, 0x55);
  must(read_pcr(plain, old), "Tspi_TPM_PcrRead");
  gives(extend(wrapped.session, event, extended), TSS_SUCCESS, "a PCR is extended in an encrypted transport session");
  holds(extended == sha1(client::Out().raw(old).raw(event).bytes()), "to what SHA-1 tells");
  holds(free_transports(plain) + 1 == before, "the TPM has one transport session less to give");
  gives(read_pcr(plain, seen), TSS_SUCCESS, "the PCR is read outside");
  holds(seen == extended, "and is the same");
  holds(read_pcr(wrapped.session, seen) == TSS_SUCCESS && seen == extended, "and inside");
}

void test_logged(const std::string& port) {
  Wrapped wrapped(port, {TSS_TSPATTRIB_TRANSPORT_DEFAULT_ENCRYPTION, TSS_TSPATTRIB_TRANSPORT_AUTHENTIC_CHANNEL});
  Bytes value, nonce(20, 0x66);
  gives(extend(wrapped.session, Bytes(20, 0x56), value), TSS_SUCCESS, "a PCR is extended in a logged session");
  gives(read_pcr(wrapped.session, value), TSS_SUCCESS, "and read");
  Bytes message{'i', 'n', 's', 'i', 'd', 'e'};
  holds(verifies(modulus_of(wrapped.key), message, wrapped.session.sign(wrapped.key, message)),
        "a key with a secret signs in it");
  TSS_VALIDATION validation = challenge(nonce);
  if (!gives(Tspi_Context_CloseSignTransport(wrapped.session.context, wrapped.signer, &validation), TSS_SUCCESS,
             "the TPM signs its log at the end")) {
    return;
  }
  client::In info(signed_data(validation));
  holds(info.u16() == 5 && info.raw(4) == client::bytes_of("TRAN") && info.raw(20) == nonce && info.u32() == 20,
        "what is signed is a log of the challenger's");
  Bytes data = signed_data(validation);
  holds(verifies(modulus_of(wrapped.signer), data, signature_in(validation)),
        "OpenSSL verifies it over the log that libtspi has kept itself");
  data.back() ^= 1;
  holds(!verifies(modulus_of(wrapped.signer), data, signature_in(validation)), "and over no other log");
}

void test_exclusive(const std::string& port, const Session& plain) {
  Wrapped wrapped(port, {TSS_TSPATTRIB_TRANSPORT_DEFAULT_ENCRYPTION, TSS_TSPATTRIB_TRANSPORT_EXCLUSIVE});
  Bytes before, after, seen;
  must(read_pcr(plain, before), "Tspi_TPM_PcrRead");
  gives(extend(wrapped.session, Bytes(20, 0x57), after), TSS_SUCCESS, "a PCR is extended in an exclusive session");
  holds(after == sha1(client::Out().raw(before).raw(Bytes(20, 0x57)).bytes()), "to what SHA-1 tells");
  holds(read_pcr(wrapped.session, seen) == TSS_SUCCESS && seen == after, "and read in it");
  holds(read_pcr(plain, seen) == TSS_SUCCESS && seen == after, "another reads it too");
  gives(read_pcr(wrapped.session, seen), TPM_E_INVALID_AUTHHANDLE, "which has ended the exclusive session");
}

}  // namespace

void test_transport(const std::string& port, const Session& plain) {
  UINT32 before = free_transports(plain);
  test_encrypted(port, plain, before);
  holds(free_transports(plain) == before, "the TPM has it back when the context is closed");
  test_logged(port);
  test_exclusive(port, plain);
}

}  // namespace tspi
