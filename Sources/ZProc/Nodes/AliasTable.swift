// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The methods that a caller calls by numbers instead of by names, some of which are longer than all the rest of a call.
///
/// Both ends of a link have one. A number is given once, to a method that is called again, and stands for it until the
/// link ends. Never suspends, locks or calls out.
package struct AliasTable<Method> {
    /// So many methods have numbers; the others are called by their names.
    package static var mostCount: Int { 64 }
    /// The most bytes that both names of one have: somebody else's memory holds them.
    package static var mostByteCount: Int { 512 }

    private var methods: [Method] = []

    package init() {}

    /// The number that the next method gets; nil when all are taken.
    package var next: UInt64? { methods.count < Self.mostCount ? UInt64(methods.count) : nil }

    /// Gives a method a number; false when that is not the next one.
    package mutating func add(_ method: Method, as alias: UInt64) -> Bool {
        guard alias == next else { return false }
        methods.append(method)
        return true
    }

    /// The method that a number stands for; nil when it has not been given.
    package subscript(alias: UInt64) -> Method? { alias < UInt64(methods.count) ? methods[Int(alias)] : nil }

    /// The first number of a method that fits.
    package func first(where isFitting: (Method) -> Bool) -> UInt64? {
        methods.firstIndex(where: isFitting).map(UInt64.init)
    }
}
