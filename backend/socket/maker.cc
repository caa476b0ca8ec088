// SPDX-License-Identifier: MIT
#include "backend/socket/maker.h"

#include <algorithm>
#include <memory>

#include "backend/identity/authority.h"
#include "lib/base/log.h"

namespace socketd {

namespace {

base::Bytes certificate_for(const identity::Authority& authority, base::View modulus) {
  identity::Modulus key{};
  if (modulus.size() == key.size()) std::ranges::copy(modulus, key.begin());
  tpm::Make make = tpm::Engine::make();
  auto certificate = authority.certify(key, {make.vendor, make.level, make.major, make.minor});
  if (certificate.ok()) return std::move(certificate).take();
  base::log(base::Level::Error, "the endorsement key is not certified: " + certificate.error());
  return {};
}

}  // namespace

Or<tpm::Factory> factory(bool endorsement_key, const std::string& ca_certificate, const std::string& ca_key) {
  tpm::Factory factory{.endorsement_key = endorsement_key};
  if (ca_certificate.empty() && ca_key.empty()) return factory;
  auto authority = TRY(identity::read_authority(ca_certificate, ca_key));
  auto shared = std::make_shared<const identity::Authority>(std::move(authority));
  factory.certify = [shared](base::View modulus) { return certificate_for(*shared, modulus); };
  return factory;
}

}  // namespace socketd
