// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A function value as the compiler lays it out: where its code is and what it captured.
///
/// Not a reference: copying this does not retain `context`.
struct FunctionValue {
    /// Code, or for an async function the record that points at its code.
    var code: UnsafeRawPointer
    /// Nil without captures; else a box of captures or, for a sole captured object, the object itself.
    var context: UnsafeRawPointer?
}
