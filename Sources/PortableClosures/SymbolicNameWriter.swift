// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CPortableClosures
internal import Synchronization

/// Writes a mangled name in which private types are symbolic references to their descriptors, and asks the runtime
/// for the type.
///
/// A symbolic reference is byte 1 and a 32-bit relative offset, so the name is laid into memory near the descriptors.
struct SymbolicNameWriter {
    private enum Piece {
        case text(String)
        case descriptor(UnsafeRawPointer)
    }

    private var pieces: [Piece] = []

    mutating func append(_ form: TypeReference.Form) throws(PortableClosureError) {
        switch form {
        case .name(let name):
            pieces.append(.text(name))
        case .nominal(let nominal, let levels):
            switch nominal {
            case .named(let name): pieces.append(.text(name))
            case .descriptor(let reference): pieces.append(.descriptor(try reference.resolve()))
            }
            guard levels.contains(where: { !$0.isEmpty }) else { return }
            for (index, level) in levels.enumerated() {
                pieces.append(.text(index == 0 ? "y" : "_"))
                for argument in level {
                    switch argument {
                    case .type(let form): try append(form)
                    case .pack(let forms): try append(pack: forms)
                    }
                }
            }
            pieces.append(.text("G"))
        }
    }

    /// A type list, `first _ others` or `y` when empty, and the operator for packs.
    private mutating func append(pack forms: [TypeReference.Form]) throws(PortableClosureError) {
        if forms.isEmpty { pieces.append(.text("y")) }
        for (index, form) in forms.enumerated() {
            try append(form)
            if index == 0 { pieces.append(.text("_")) }
        }
        pieces.append(.text("QP"))
    }

    /// Memory to lay names into.
    ///
    /// Guarded by the lock; lives as long as the process.
    private struct Page: @unchecked Sendable {
        var start: UnsafeMutableRawPointer?
        static let size = 1 << 16
    }

    private static let page = Mutex(Page())

    /// The type the name stands for; nil when the runtime knows none.
    func resolve() throws(PortableClosureError) -> Any.Type? {
        let length = pieces.reduce(0) { length, piece in
            if case .text(let text) = piece { length + text.utf8.count } else { length + 5 }
        }
        let anchor = pieces.lazy.compactMap { if case .descriptor(let address) = $0 { address } else { nil } }.first
        return try Self.page.withLock { page throws(PortableClosureError) -> Any.Type? in
            if page.start == nil {
                page.start = cpc_map_near(anchor ?? #dsohandle, Page.size)
            }
            guard let start = page.start, length < Page.size else {
                throw PortableClosureError(.typeNotFound, "no memory within reach of the program to name a type in")
            }
            var next = start
            for piece in pieces {
                switch piece {
                case .text(let text):
                    for byte in text.utf8 {
                        next.storeBytes(of: byte, as: UInt8.self)
                        next += 1
                    }
                case .descriptor(let address):
                    next.storeBytes(of: 1, as: UInt8.self)
                    guard let distance = Int32(exactly: address - UnsafeRawPointer(next + 1)) else {
                        throw PortableClosureError(
                            .typeNotFound,
                            "a private type lies too far from others used with it; declare it internal"
                        )
                    }
                    (next + 1).copyMemory(from: [distance], byteCount: 4)
                    next += 5
                }
            }
            guard let type = cpc_type_by_mangled_name(start.assumingMemoryBound(to: CChar.self), length) else {
                return nil
            }
            return unsafeBitCast(type, to: Any.Type.self)
        }
    }
}
