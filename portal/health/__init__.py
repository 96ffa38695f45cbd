"""Is the portal alive, and ready?"""
