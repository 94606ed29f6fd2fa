#!/bin/sh
# Builds the helper for Apple silicon and Intel, and signs it:
#
#   ./build.sh "Developer ID Application: NAME (TEAM)"
#
# Needs macOS 13, the command line tools of Xcode 14 or later, and a code signing identity from Apple;
# `security find-identity -v -p codesigning` lists yours.
set -eu
identity=${1:?"name a code signing identity; \`security find-identity -v -p codesigning\` lists yours"}
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for architecture in arm64 x86_64; do
  swiftc -O -swift-version 5 -module-name AmeshSecureEnclave \
    -target "$architecture-apple-macosx13.0" -o "$work/$architecture" Sources/*.swift
done

helper=$work/amesh-secure-enclave
lipo -create -output "$helper" "$work/arm64" "$work/x86_64"
codesign --force --sign "$identity" --identifier dev.authmesh.secure-enclave --options runtime --timestamp "$helper"
codesign --verify --strict -R="anchor apple generic" "$helper" # what the helper itself will insist on

mkdir -p build
chmod 755 build "$helper"
mv "$helper" build/
echo "build/amesh-secure-enclave is ready; \`amesh init\` will find it."
