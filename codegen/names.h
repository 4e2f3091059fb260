#ifndef NIGH_CODEGEN_NAMES_H_
#define NIGH_CODEGEN_NAMES_H_

#include <google/protobuf/descriptor.h>

#include <map>
#include <set>
#include <string>
#include <utility>

namespace nigh::codegen {

// What the generated C++ calls the things of one .proto file. Messages go by the names that
// protobuf gives them, and packages by their own. Services, methods, mocks, and the variants AsyncX
// and CoX of a method X follow one rule: each has the name that the .proto gives it, unless that is
// taken, and then as many "_" behind it as it takes. A name is taken
//
//  * for the compiler: by a keyword, or by a macro of the system's headers, of GoogleTest, Abseil
//    or protobuf (reserved_names.h);
//  * by what stands beside it in the generated code: a service's by what protobuf declares in the
//    package, and by the members of the class; a method's by the members of Stub, Service and
//    CoService, their own and those of nigh::Service, and by what gMock makes of other methods;
//  * by the namespaces that generated code names: absl, google, nigh, std;
//  * by another service or method. Those that can keep their names are named before those that
//    cannot, in the order of the .proto, and variants after methods. So none changes its name
//    because of another that has to.
//
// What is free is the same whatever is generated, mocks or not. The name on the wire stays.
class Names {
 public:
  // `file` must outlive this object.
  explicit Names(const google::protobuf::FileDescriptor& file);

  // "dir/hello.pb.h" and "dir/hello.nigh.h" of dir/hello.proto, as they are included.
  std::string MessagesHeader() const;
  std::string Header() const;
  std::string Source() const;
  // "dir/hello_mock.nigh.h".
  std::string MockHeader() const;
  // Different for every path, as protobuf's own guards are.
  std::string IncludeGuard() const;

  // "outer::inner", or "" for a file without a package.
  std::string Namespace() const;
  std::string Class(const google::protobuf::ServiceDescriptor& service) const;
  // "MockGreeterService".
  std::string Mock(const google::protobuf::ServiceDescriptor& service) const;
  std::string Function(const google::protobuf::MethodDescriptor& method) const;
  // A variant of the method: "AsyncX" of X, with a callback, or "CoX", for coroutines.
  std::string Derived(const std::string& prefix,
                      const google::protobuf::MethodDescriptor& method) const;
  // `message` as code inside the class of `service` can write it: its plain name where nothing
  // there hides it, the full one with a leading "::" otherwise.
  std::string Message(const google::protobuf::Descriptor& message,
                      const google::protobuf::ServiceDescriptor& service) const;

 private:
  void NameMethods(const google::protobuf::ServiceDescriptor& service);

  const google::protobuf::FileDescriptor& file_;
  std::map<const google::protobuf::ServiceDescriptor*, std::string> classes_;
  std::map<const google::protobuf::ServiceDescriptor*, std::string> mocks_;
  std::map<const google::protobuf::MethodDescriptor*, std::string> functions_;
  // By prefix and method.
  std::map<std::pair<std::string, const google::protobuf::MethodDescriptor*>, std::string>
      variants_;
  // What hides a message of that name in the classes of a service.
  std::map<const google::protobuf::ServiceDescriptor*, std::set<std::string>> hiding_;
};

// The first part of `file`'s package that C++ cannot use as a namespace (protobuf keeps keywords
// and macros as they are there), or "".
std::string UnusableNamespace(const google::protobuf::FileDescriptor& file);
// The first part that g++ cannot use in GNU's dialect alone (IsGnuMacro), or "".
std::string GnuNamespace(const google::protobuf::FileDescriptor& file);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_NAMES_H_
