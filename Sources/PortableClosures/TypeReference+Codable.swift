// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// On the wire: a string is a mangled name; an array is `[nominal, level…]`, where a nominal is a string or a code
/// reference, a level an array of arguments, and an argument `[0, type]` or `[1, [type…]]` for a pack.
extension TypeReference: Codable {
    /// Reads a reference; nothing is looked up.
    public init(from decoder: any Decoder) throws {
        form = try Form(from: decoder)
    }

    /// Writes the reference.
    public func encode(to encoder: any Encoder) throws {
        try form.encode(to: encoder)
    }
}

extension TypeReference.Form: Codable {
    init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self) {
            self = .name(name)
            return
        }
        var parts = try decoder.unkeyedContainer()
        let nominal = try parts.decode(TypeReference.Nominal.self)
        var levels: [[TypeReference.Argument]] = []
        while !parts.isAtEnd { levels.append(try parts.decode([TypeReference.Argument].self)) }
        self = .nominal(nominal, levels)
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .name(let name):
            var container = encoder.singleValueContainer()
            try container.encode(name)
        case .nominal(let nominal, let levels):
            var parts = encoder.unkeyedContainer()
            try parts.encode(nominal)
            for level in levels { try parts.encode(level) }
        }
    }
}

extension TypeReference.Nominal: Codable {
    init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self) {
            self = .named(name)
        } else {
            self = .descriptor(try CodeReference(from: decoder))
        }
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .named(let name):
            var container = encoder.singleValueContainer()
            try container.encode(name)
        case .descriptor(let reference):
            try reference.encode(to: encoder)
        }
    }
}

extension TypeReference.Argument: Codable {
    private enum Shape: Int, Codable { case type, pack }

    init(from decoder: any Decoder) throws {
        var parts = try decoder.unkeyedContainer()
        switch try parts.decode(Shape.self) {
        case .type: self = .type(try parts.decode(TypeReference.Form.self))
        case .pack: self = .pack(try parts.decode([TypeReference.Form].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var parts = encoder.unkeyedContainer()
        switch self {
        case .type(let form):
            try parts.encode(Shape.type)
            try parts.encode(form)
        case .pack(let forms):
            try parts.encode(Shape.pack)
            try parts.encode(forms)
        }
    }
}
