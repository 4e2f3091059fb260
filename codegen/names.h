#ifndef NIGH_CODEGEN_NAMES_H_
#define NIGH_CODEGEN_NAMES_H_

#include <google/protobuf/descriptor.h>

#include <set>
#include <string>

namespace nigh::codegen {

// What the generated C++ calls the things of one .proto file. Messages go by the names that
// protobuf gives them. A service or method whose own name is taken gets a trailing "_": by a C++
// keyword, by what nigh generates beside it, or by what nigh::Service declares. The name on the
// wire stays.
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
  // A variant of the method: "AsyncX" of X, with a callback, or "CoX", for coroutines. With
  // a trailing "_" where the service has a method of that name.
  std::string Derived(const std::string& prefix,
                      const google::protobuf::MethodDescriptor& method) const;
  // `message` as code inside the class of `service` can write it: its plain name where nothing
  // there hides it, the full one with a leading "::" otherwise.
  std::string Message(const google::protobuf::Descriptor& message,
                      const google::protobuf::ServiceDescriptor& service) const;

 private:
  const google::protobuf::FileDescriptor& file_;
  std::set<std::string> package_types_;  // C++ names that the package's namespace holds already
};

// A keyword of C++20, or an alternative spelling of an operator.
bool IsKeyword(const std::string& name);

// The first part of `file`'s package that C++ cannot use as a namespace (protobuf keeps keywords as
// they are there), or "".
std::string UnusableNamespace(const google::protobuf::FileDescriptor& file);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_NAMES_H_
