// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import Testing
import ZProc

@testable import zproc

/// Files that the program reads and writes.
@Suite struct DocumentTests {
    @Test func aSavedStateComesBack() throws {
        let document = StateDocument([
            .init(name: "default", revision: Revision(12), entries: ["b": .double(.nan), "a": [1, .binary([7])]]),
            .init(name: "empty", revision: Revision(3), entries: [:]),
        ])
        let text = document.json.text(.indented)
        #expect(
            text == """
                {
                  "zproc": 1,
                  "namespaces": {
                    "default": {
                      "revision": 12,
                      "entries": {
                        "a": [
                          1,
                          {
                            "$binary": "Bw=="
                          }
                        ],
                        "b": {
                          "$double": "NaN"
                        }
                      }
                    },
                    "empty": {
                      "revision": 3,
                      "entries": {}
                    }
                  }
                }
                """
        )
        #expect(try StateDocument(JSONReader.read(Array(text.utf8))) == document)
    }

    @Test(arguments: [
        "{}", "[]", #"{"zproc":1}"#, #"{"zproc":2,"namespaces":{}}"#, #"{"zproc":1,"namespaces":{"a":{}}}"#,
        #"{"zproc":1,"namespaces":{"a":{"entries":{"k":{"$what":1}}}}}"#,
    ])
    func whatIsNoSavedStateIsAnError(_ text: String) throws {
        let json = try JSONReader.read(Array(text.utf8))
        #expect(throws: JSONError.self) { try StateDocument(json) }
    }

    @Test func clientsAreAddedToAFileOfKeysAndTheRestStays() throws {
        let (own, ann, bob) = (
            try KeyPair.generate(), try KeyPair.generate().publicKey, try KeyPair.generate().publicKey
        )
        let start = "# our hub\nsecret \(own.secretText)\npublic \(own.publicKey)\nallow \(ann) reader Ann Lee\n"
        #expect(KeyLines.allowed(in: start) == [.init(key: ann, role: .reader, name: "Ann Lee")])
        let two = KeyLines.allowing(.init(key: bob, role: .runner), in: start)
        #expect(two == start + "allow \(bob) runner\n")
        let changed = KeyLines.allowing(.init(key: ann, role: .writer), in: two)
        #expect(changed == two.replacing("reader Ann", with: "writer Ann"))
        #expect(try KeyFile(text: changed).allowed == [ann: .writer, bob: .runner])
        // A line without an end, and two lines for one key.
        let odd = "allow \(ann) reader\nallow \(bob) reader\nallow \(ann) writer A"
        let even = KeyLines.allowing(.init(key: ann, role: .runner), in: odd)
        #expect(even == "allow \(ann) runner A\nallow \(bob) reader\n")
    }

    // MARK: Doctor

    private var healthy: SystemFacts {
        var facts = SystemFacts()
        facts.openFiles = 65_536
        facts.runtimeDirectories = [directory("/run/user/1000")]
        facts.sharedMemory = (8 << 30, 7 << 30)
        return facts
    }

    private func directory(
        _ path: String,
        exists: Bool = true,
        isWritable: Bool = true,
        isOpen: Bool = false
    ) -> SystemFacts.Directory {
        .init(path: path, variable: "XDG_RUNTIME_DIR", exists: exists, isWritable: isWritable, isOpenToOthers: isOpen)
    }

    @Test func aHealthyMachineHasNoFindings() {
        #expect(healthy.findings.allSatisfy { $0.verdict == .good && $0.remedy == nil })
    }

    @Test func whatIsWrongIsFoundWithWhatToDo() {
        func verdicts(_ change: (inout SystemFacts) -> Void) -> [String] {
            var facts = healthy
            change(&facts)
            return facts.findings.filter { $0.verdict != .good }.map { finding in
                #expect(finding.remedy != nil)
                return "\(finding.verdict) \(finding.subject)"
            }
        }
        #expect(verdicts { $0.openFiles = 64 } == ["problem open files"])
        #expect(verdicts { $0.openFiles = 1_024 } == ["warning open files"])
        #expect(verdicts { $0.processes = 64 } == ["problem processes and threads"])
        #expect(verdicts { $0.processes = 1_000 } == ["warning processes and threads"])
        #expect(verdicts { $0.addressSpace = 1 << 30 } == ["problem address space"])
        #expect(verdicts { $0.addressSpace = 64 << 30 } == ["warning address space"])
        #expect(verdicts { $0.sharedMemory = nil } == ["warning /dev/shm"])
        #expect(verdicts { $0.sharedMemory = (64 << 20, 1 << 20) } == ["warning /dev/shm"])
        #expect(verdicts { $0.sharedMemory = (64 << 20, 64 << 20) } == ["warning /dev/shm"])
        #expect(verdicts { $0.runtimeDirectories = [] } == ["problem runtime directory"])
        #expect(verdicts { $0.runtimeDirectories = [directory("/x", isOpen: true)] } == ["problem runtime directory"])
        let long = directory("/" + String(repeating: "x", count: 60))
        for bad in [directory("/x", exists: false), directory("/x", isWritable: false), long] {
            #expect(verdicts { $0.runtimeDirectories.insert(bad, at: 0) } == ["warning XDG_RUNTIME_DIR"])
        }
    }
}
#endif
