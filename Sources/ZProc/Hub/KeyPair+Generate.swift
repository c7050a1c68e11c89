// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProcCore
internal import ZProcTransports

extension KeyPair {
    /// Makes a new pair from the system's random numbers.
    ///
    /// - Throws: ``TransportError/Code/resources`` when the system's libzmq has no encryption.
    public static func generate() throws(TransportError) -> KeyPair { try fromSystemRandomNumbers() }
}
