// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CPortableClosures
internal import Synchronization

/// A type in a form that finds the same type in another process of the same program.
///
/// Public and package types travel by their mangled name. Private and local types have a name that the runtime cannot
/// look up; they travel as the offset of their context descriptor, and generic types over them as the parts.
public struct TypeReference: Hashable, Sendable {
    indirect enum Form: Hashable, Sendable {
        /// A mangled name the runtime can look up.
        case name(String)
        /// A nominal type, and its generic arguments, one list a nesting level.
        case nominal(Nominal, [[Argument]])
    }

    enum Nominal: Hashable, Sendable {
        case named(String)
        case descriptor(CodeReference)
    }

    enum Argument: Hashable, Sendable {
        case type(Form)
        case pack([Form])
    }

    let form: Form

    init(form: Form) { self.form = form }

    /// Makes a reference to `type`.
    ///
    /// Cost: a dictionary look-up after the first time.
    ///
    /// - Throws: PortableClosureError/Code/typeNotFound for types that have neither name nor descriptor: tuples,
    ///   functions and protocols over private types.
    public init(_ type: Any.Type) throws(PortableClosureError) {
        let key = ObjectIdentifier(type)
        if let known = Self.known.withLock({ $0.references[key] }) {
            self = known
            return
        }
        form = try Self.form(of: type)
        let (reference, resolved) = (self, try resolveAnew())
        guard resolved == type else { throw Self.unnameable(type) }
        Self.known.withLock {
            $0.references[key] = reference
            $0.add(type, for: reference.form)
        }
    }

    /// The type in this process.
    ///
    /// Cost: a dictionary look-up after the first time.
    ///
    /// - Throws: PortableClosureError/Code/typeNotFound when this program has no such type.
    public func resolve() throws(PortableClosureError) -> Any.Type {
        if let type = Self.known.withLock({ $0.type(of: form) }) { return type }
        let type = try resolveAnew()
        Self.known.withLock { $0.add(type, for: form) }
        return type
    }

    private struct Known {
        var references: [ObjectIdentifier: TypeReference] = [:]
        /// Most have a name: a new process need not find out how the others are hashed.
        private var named: [String: Any.Type] = [:]
        private var others: [Form: Any.Type] = [:]

        private static let maximumCount = 10_000

        func type(of form: Form) -> Any.Type? {
            if case .name(let name) = form { named[name] } else { others[form] }
        }

        mutating func add(_ type: Any.Type, for form: Form) {
            // A peer that invents names must not make this grow without bound.
            if named.count + others.count >= Self.maximumCount { (named, others) = ([:], [:]) }
            if case .name(let name) = form { named[name] = type } else { others[form] = type }
        }
    }

    private static let known = Mutex(Known())

    static func unnameable(_ type: Any.Type) -> PortableClosureError {
        PortableClosureError(
            .typeNotFound,
            "type \(String(reflecting: type)) cannot be named in another process; wrap it in a struct"
        )
    }

    private static func form(of type: Any.Type) throws(PortableClosureError) -> Form {
        if let name = _mangledTypeName(type), _typeByName(name) == type { return .name(name) }
        return try structure(of: type)
    }

    /// The parts of a nominal type.
    ///
    /// Arguments are taken apart too: a mangled name with substitutions in it cannot be put into another one.
    private static func structure(of type: Any.Type) throws(PortableClosureError) -> Form {
        guard let nominal = NominalType(type) else { throw unnameable(type) }
        let named: Nominal
        if let name = nominal.plainName {
            named = .named(name)
        } else {
            named = .descriptor(try CodeReference(nominal.descriptor))
        }
        guard let levels = nominal.arguments else { throw unnameable(type) }
        var arguments: [[Argument]] = []
        for level in levels {
            var list: [Argument] = []
            for argument in level {
                switch argument {
                case .type(let type): list.append(.type(try structure(of: type)))
                case .pack(let types):
                    var forms: [Form] = []
                    for type in types { forms.append(try structure(of: type)) }
                    list.append(.pack(forms))
                }
            }
            arguments.append(list)
        }
        return .nominal(named, arguments)
    }

    private func resolveAnew() throws(PortableClosureError) -> Any.Type {
        if case .name(let name) = form {
            if let type = _typeByName(name) { return type }
        } else {
            var writer = SymbolicNameWriter()
            try writer.append(form)
            if let type = try writer.resolve() { return type }
        }
        throw PortableClosureError(
            .typeNotFound,
            "this program has no type \(self); run the same build on both sides"
        )
    }
}

extension TypeReference: CustomStringConvertible {
    /// The mangled name or, for private types, its parts.
    public var description: String {
        if case .name(let name) = form { return "'\(name)'" }
        return "\(form)"
    }
}
